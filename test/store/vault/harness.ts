/** Vaults in throw-away folders, and a look at their files from outside. */
import { hash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import type { Clock } from "../../../base/clock.ts";
import type { KeyHost } from "../../../store/vault/key-source.ts";
import { Vault, type VaultOptions } from "../../../store/vault/vault.ts";

/** 32 bytes that nobody would take for a key. */
export const MASTER_KEY = Buffer.from("not-a-real-key-not-a-real-key-32").toString("base64");
export const OTHER_KEY = Buffer.from("another-not-real-key-of-32-bytes").toString("base64");
export const CANARY = Buffer.from("canary-7f3a-not-a-real-secret");
export const ACTOR = { actor: "test" };

/** A folder that is gone after the test. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "writ-vault-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A clock that stands still until it is turned. */
export function fakeClock(): Clock & { time: number } {
  return {
    time: 1_700_000_000_000,
    now() {
      return this.time;
    },
  };
}

export function keyHost(env: KeyHost["env"], overrides: Partial<KeyHost> = {}): KeyHost {
  const uid = process.geteuid?.();
  return { env, home: undefined, uid, container: false, projectDir: undefined, ...overrides };
}

/** Opens `<folder>/data` with the test's master key in the variable. */
export function openVault(folder: string, overrides: Partial<VaultOptions> = {}): Promise<Vault> {
  return Vault.open({
    dataDir: join(folder, "data"),
    keySource: { kind: "auto" },
    keyHost: keyHost({ WRIT_MASTER_KEY: MASTER_KEY }),
    clock: fakeClock(),
    ...overrides,
  });
}

/** The value, wiped behind itself; undefined when there is none. */
export async function read(vault: Vault, scope: string, key: string): Promise<string | undefined> {
  const found = await vault.get(scope, key);
  using value = found?.value;
  return value?.text();
}

/** Somebody else's connection to the vault's file. */
export function openSql(folder: string): Sqlite.Database {
  return new Sqlite(join(folder, "data", "secrets.db"), { fileMustExist: true });
}

/** Every file below a folder with the hash of its bytes. No vault may be open on it: see `prepareFile()`. */
export function snapshot(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const isFile = (name: string): boolean => statSync(join(folder, name)).isFile();
  const digest = (name: string): string => hash("sha256", readFileSync(join(folder, name)));
  return new Map(files.filter(isFile).map((name) => [name, digest(name)]));
}
