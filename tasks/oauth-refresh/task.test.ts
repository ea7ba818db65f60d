import assert from "node:assert/strict";
import { test } from "node:test";
import { runTask } from "../../test/harness/index.ts";

const input = {
  access_token: "canary-access-not-real",
  refresh_token: "canary-refresh-not-real",
  expires_in: 60,
};

test("oauth-refresh stores both tokens in the vault and prints neither", async () => {
  const run = await runTask(import.meta.dirname, { input });
  assert.equal(run.state, "success", run.error?.message);
  assert.deepEqual(run.output, { stored: { "oauth/access": 1, "oauth/refresh": 1 }, expires_in: 60 });
  assert.deepEqual(
    run.vault.map(({ key, version }) => `${key} v${version}`),
    ["oauth/access v1", "oauth/refresh v1"],
  );
  assert.doesNotMatch(JSON.stringify(run), /canary/);
});

test("oauth-refresh keeps the old refresh token when the answer has no new one", async () => {
  const run = await runTask(import.meta.dirname, {
    input: { ...input, refresh_token: undefined },
    secrets: { "oauth/refresh": "canary-old-not-real" },
  });
  assert.deepEqual(
    run.vault.map(({ key, version }) => `${key} v${version}`),
    ["oauth/access v1", "oauth/refresh v1"],
  );
});

test("oauth-refresh fails on an answer that is none, and stores nothing", async () => {
  const run = await runTask(import.meta.dirname, { input: { error: "invalid_grant" } });
  assert.equal(run.state, "failure");
  assert.match(run.error?.message ?? "", /no access_token/);
  assert.match(run.error?.stack ?? "", /oauth-refresh\/token-response\.ts:\d+:\d+/);
  assert.deepEqual(run.vault, []);
});

test("oauth-refresh is denied a key outside what it declares, and stores neither", async () => {
  const run = await runTask(import.meta.dirname, { input, params: { prefix: "billing" } });
  assert.equal(run.error?.code, "PERMISSION_DENIED");
  assert.match(run.error?.hints?.join() ?? "", /secrets_write: \["billing\/access"\]/);
  assert.deepEqual(run.vault, []);
});
