import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../../base/error.ts";
import { parseReference } from "../../secrets/reference.ts";
import type { SecretSource } from "../../secrets/reference.ts";

const uri = (text: string): SecretSource => ({ kind: "uri", uri: text });
const long = (provider: string, key: string, options: Record<string, string> = {}): SecretSource => ({
  kind: "provider",
  provider,
  key,
  options,
});

test("parseReference() says who is asked for what", () => {
  const direct = (provider: string, key: string, options: Record<string, string> = {}): unknown => ({
    kind: "direct",
    provider,
    key,
    options,
  });
  const cases: readonly (readonly [SecretSource, unknown])[] = [
    [
      { kind: "secret", key: "oauth/access.token" },
      { kind: "chain", key: "oauth/access.token" },
    ],
    [uri("env://API_KEY"), direct("env", "API_KEY")],
    [uri("file:///run/secrets/x"), direct("file", "/run/secrets/x")],
    [
      uri("file:///run/my%20secrets/x?trim=newline"),
      direct("file", "/run/my secrets/x", { trim: "newline" }),
    ],
    [uri("vault://kv/data/app#field"), direct("vault", "kv/data/app", { field: "field" })],
    [uri("vault://kv/app"), direct("vault", "kv/app")],
    [uri("k8s://prod/db/password"), direct("k8s", "prod/db/password")],
    [uri("keepass://team/app#svc/web:key"), direct("keepass", "team/app#svc/web:key")],
    [uri("op://Eng Team/deploy/token"), direct("op", "Eng Team/deploy/token")],
    [uri("op://Eng/deploy/section/token"), direct("op", "Eng/deploy/section/token")],
    [uri("doppler://proj/prd/KEY"), direct("doppler", "proj/prd/KEY")],
    [uri("api://isopass/db/password"), direct("api", "isopass/db/password")],
    [long("vault", "kv/data/prod", { field: "x" }), direct("vault", "kv/data/prod", { field: "x" })],
    [long("kubernetes", "db/password", { namespace: "n" }), direct("k8s", "db/password", { namespace: "n" })],
    [long("local", "db_password"), direct("local", "db_password")],
  ];
  for (const [source, expected] of cases) assert.deepEqual(parseReference(source), expected);
  assert.deepEqual(parseReference(long("corp-vault", "a"), ["corp-vault"]), direct("corp-vault", "a"));
});

test("parseReference() refuses what is malformed, offline, without repeating it", () => {
  const cases: readonly SecretSource[] = [
    { kind: "secret", key: "canary key" },
    { kind: "secret", key: "/canary" },
    { kind: "secret", key: "canary//x" },
    { kind: "secret", key: `canary${"y".repeat(200)}` },
    uri("nosuch://canary/x"),
    uri("OP://canary/x/y"),
    uri("local://canary"),
    uri("canary"),
    uri("env://"),
    uri("env://canary/x"),
    uri("env://canary?x"),
    uri("file://host/canary"),
    uri("file://canary"),
    uri("file:///canary?trim=all"),
    uri("file:///canary#x"),
    uri("file:///canary%2fx"),
    uri("file:///canary%00"),
    uri("file:///canary%zz"),
    uri("file:///canary\n"),
    uri("vault://canary"),
    uri("vault://canary/x#"),
    uri("vault://canary/x#a#b"),
    uri("k8s://canary/x"),
    uri("k8s://canary/x/y/z"),
    uri("keepass://canary"),
    uri("keepass://canary#x"),
    uri("op://canary/x"),
    uri("op://canary/a/b/c/d"),
    uri("op://canary/a/b?attribute=otp"),
    uri("op://canary//b"),
    uri("doppler://canary/x"),
    uri("api://canary"),
    long("aws", "canary"),
    long("vault", ""),
    ...["vault_address", "vault_token", "kubeconfig", "address", "trim"].map((name) =>
      long("vault", "canary", { [name]: "x" }),
    ),
  ];
  for (const source of cases) {
    assert.throws(
      () => parseReference(source),
      (error) => {
        assert.ok(error instanceof AppError);
        assert.equal(error.code, "SECRETS_REF_INVALID");
        assert.doesNotMatch(`${error.message} ${error.hints.join(" ")}`, /canary/);
        return true;
      },
      JSON.stringify(source),
    );
  }
});

test("parseReference() names the scheme that was probably meant", () => {
  assert.throws(
    () => parseReference(uri("vualt://kv/app")),
    (error) => error instanceof AppError && error.hints.join() === "did you mean vault?",
  );
});
