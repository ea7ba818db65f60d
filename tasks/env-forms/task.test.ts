import assert from "node:assert/strict";
import { test } from "node:test";
import { runTask } from "../../test/harness/index.ts";

const secrets = { db_password: "canary-db-not-real", "prod/api-key": "canary-api-not-real" };
const env = {
  HOME: "/home/canary",
  BUILD_NUMBER: "417",
  REGION_KEY: "canary-region-not-real",
  DEPLOY_TOKEN: "canary-deploy-not-real",
  NOT_DECLARED: "canary-undeclared",
};

test("env-forms gets every form it declares, and lists no secret", async () => {
  const run = await runTask(import.meta.dirname, { secrets, env });
  assert.equal(run.state, "success", run.error?.message);
  assert.deepEqual(run.output, {
    declared: [
      "HOME (host)",
      "RENAMED (host)",
      "REGION_KEY (host)",
      "DB_PASS (secret)",
      "API_KEY (secret)",
      "FROM_URI (uri)",
      "FROM_PROVIDER (provider)",
      "LOG_LEVEL (value)",
      "EMPTY_IF_MISSING (secret)",
    ],
    listed: ["HOME", "RENAMED", "LOG_LEVEL"],
    lengths: { DB_PASS: 18, API_KEY: 19, FROM_URI: 22, FROM_PROVIDER: 22, REGION_KEY: 22 },
    plain: { RENAMED: "417", LOG_LEVEL: "info" },
    empty: true,
    gone: true,
  });
});

test("env-forms is blocked when a secret and a variable are missing, and says so of both", async () => {
  const run = await runTask(import.meta.dirname, {
    secrets: { "prod/api-key": "canary-api-not-real" },
    env: { ...env, BUILD_NUMBER: undefined },
  });
  assert.equal(run.state, "blocked");
  assert.equal(run.error?.code, "SECRETS_REQUIRED_MISSING");
  const told = [run.error?.message, ...(run.error?.hints ?? [])].join("\n");
  assert.match(told, /RENAMED/);
  assert.match(told, /writ secrets set db_password/);
  assert.equal(run.logs.length, 0);
});
