/** Where the master key comes from: the places a configuration may name, their order, and when one may be made. */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { AppError } from "../../base/error.ts";
import { quotePath } from "../failure.ts";
import { KEY_BYTES } from "./format.ts";
import { readKeyFile, whyNotKeyFolder, writeKeyFile, type KeyFileKind } from "./key-file.ts";
import { decodeKey } from "./key-text.ts";

export const KEY_VARIABLE = "WRIT_MASTER_KEY";
const KEY_FILE_VARIABLE = "WRIT_MASTER_KEY_FILE";
const CREDENTIAL = "writ-master-key";

/** `secrets.key` of the configuration. */
export type KeySource =
  | { readonly kind: "auto" | "env" | "credential" | "passphrase" }
  | { readonly kind: "file"; readonly path: string };

/** What the process knows of its surroundings. The variables are a copy that still holds the key's. */
export interface KeyHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string | undefined;
  /** The effective user; undefined where the system has no user ids. */
  readonly uid: number | undefined;
  readonly container: boolean;
  /** Where `writ.yaml` stands; undefined when there is none. */
  readonly projectDir: string | undefined;
}

/** The store a key is for. */
export interface KeyedStore {
  readonly id: string;
  readonly dataDir: string;
}

/** A master key and how it came to us. Disposing it zeroes the bytes. */
export class MasterKey implements Disposable {
  readonly bytes: Buffer;
  /** For messages. */
  readonly origin: string;
  /** The file that was made for it just now. */
  readonly newFile: string | undefined;

  constructor(bytes: Buffer, origin: string, newFile?: string) {
    this.bytes = bytes;
    this.origin = origin;
    this.newFile = newFile;
  }

  /** Takes a file made just now away again, for when no store came to use it. */
  discardNewFile(): void {
    if (this.newFile !== undefined) rmSync(this.newFile, { force: true });
  }

  [Symbol.dispose](): void {
    this.bytes.fill(0);
  }
}

/** The key of a store that exists. `SECRETS_KEY_MISSING` names every place that was tried. */
export function loadMasterKey(source: KeySource, host: KeyHost, store: KeyedStore): MasterKey {
  const tried: string[] = [];
  const found = search(source, host, store.id, tried);
  if (found !== undefined) return found;
  throw new AppError(
    "SECRETS_KEY_MISSING",
    `could not open the vault in ${quotePath(store.dataDir)}: its master key was not found`,
    {
      hints: [
        ...tried,
        "put the key back where it was; no other key opens this vault",
        "if it is lost, so are the secrets: move secrets.db away, then writ secrets set KEY --new-vault",
      ],
    },
  );
}

/** Files and folders in which this process would look for master keys, this vault's and others': nobody else's to read. */
export function keyPlaces(host: Pick<KeyHost, "env" | "home">): readonly string[] {
  const file = host.env[KEY_FILE_VARIABLE];
  const credentials = host.env["CREDENTIALS_DIRECTORY"];
  const folder = keyFolder(host);
  return [
    ...(file ? [resolve(file)] : []),
    ...(credentials ? [resolve(credentials)] : []),
    ...(folder === undefined ? [] : [dirname(folder)]),
  ];
}

/** A key for a store about to be made: what the configuration names, else, under `auto` only, a new file. */
export function masterKeyForNewStore(source: KeySource, host: KeyHost, store: KeyedStore): MasterKey {
  const tried: string[] = [];
  const found = search(source, host, store.id, tried);
  if (found !== undefined) return found;
  const reason =
    source.kind === "auto"
      ? whyNotGenerate(host, store)
      : `the configuration names one place, and it is empty`;
  if (reason !== undefined) throw refusal(source, store, [...tried, `a key was not made: ${reason}`]);
  const path = ownKeyFile(host, store.id);
  if (path === undefined)
    throw refusal(source, store, [...tried, "a key was not made: no home folder is known"]);
  const key = randomBytes(KEY_BYTES);
  try {
    writeKeyFile(path, key);
  } catch (cause) {
    key.fill(0);
    const state = cause instanceof Error ? cause.message : String(cause);
    throw refusal(source, store, [...tried, `a key was not made: ${state}`], cause);
  }
  return new MasterKey(key, `the file ${quotePath(path)}`, path);
}

/** Every place of the source in order; the first that is there decides, even when what it holds is wrong. */
function search(source: KeySource, host: KeyHost, storeId: string, tried: string[]): MasterKey | undefined {
  if (source.kind === "env") return fromVariable(host, tried);
  if (source.kind === "credential") return fromCredential(host, tried);
  if (source.kind === "file") return fromFile(resolve(source.path), "named", host, tried);
  if (source.kind === "passphrase") {
    throw new AppError("NOT_YET", 'the master key source "passphrase" does not act yet', {
      hints: ['use "auto", "env", "file" or "credential"'],
    });
  }
  return (
    fromVariable(host, tried) ??
    fromNamedFile(host, tried) ??
    fromCredential(host, tried) ??
    fromOwnFile(host, storeId, tried)
  );
}

function fromVariable(host: KeyHost, tried: string[]): MasterKey | undefined {
  const text = host.env[KEY_VARIABLE];
  const origin = `the variable ${KEY_VARIABLE}`;
  if (text !== undefined) return new MasterKey(decodeKey(text, origin), origin);
  tried.push(`${origin} is not set`);
  return undefined;
}

/** A variable that names a file which is not there is a mistake, never a reason to look further. */
function fromNamedFile(host: KeyHost, tried: string[]): MasterKey | undefined {
  const path = host.env[KEY_FILE_VARIABLE];
  if (path === undefined) {
    tried.push(`the variable ${KEY_FILE_VARIABLE} is not set`);
    return undefined;
  }
  const found = fromFile(resolve(path), "named", host, tried);
  if (found !== undefined) return found;
  throw new AppError(
    "SECRETS_KEY_MISSING",
    `the variable ${KEY_FILE_VARIABLE} names ${quotePath(resolve(path))}, which does not exist`,
    { hints: [...tried, "mount the file, or unset the variable"] },
  );
}

function fromCredential(host: KeyHost, tried: string[]): MasterKey | undefined {
  const folder = host.env["CREDENTIALS_DIRECTORY"];
  if (folder !== undefined) return fromFile(join(folder, CREDENTIAL), "named", host, tried);
  tried.push(`there is no systemd credential "${CREDENTIAL}": CREDENTIALS_DIRECTORY is not set`);
  return undefined;
}

function fromOwnFile(host: KeyHost, storeId: string, tried: string[]): MasterKey | undefined {
  const path = ownKeyFile(host, storeId);
  if (path !== undefined) return fromFile(path, "own", host, tried);
  tried.push("there is no key folder: neither XDG_CONFIG_HOME nor a home folder is known");
  return undefined;
}

function fromFile(path: string, kind: KeyFileKind, host: KeyHost, tried: string[]): MasterKey | undefined {
  const bytes = readKeyFile(path, kind, host.uid);
  if (bytes !== undefined) return new MasterKey(bytes, `the file ${quotePath(path)}`);
  tried.push(`the file ${quotePath(path)} does not exist`);
  return undefined;
}

/** `<config home>/writ/keys`; undefined when no config home is known. */
function keyFolder(host: Pick<KeyHost, "env" | "home">): string | undefined {
  const configured = host.env["XDG_CONFIG_HOME"];
  // The XDG specification tells programs to ignore a relative path.
  if (configured !== undefined && isAbsolute(configured)) return join(configured, "writ", "keys");
  return host.home === undefined ? undefined : join(host.home, ".config", "writ", "keys");
}

function ownKeyFile(host: KeyHost, storeId: string): string | undefined {
  const folder = keyFolder(host);
  return folder === undefined ? undefined : join(folder, `${storeId}.key`);
}

/** A key made in the wrong place is lost with it, or ends in somebody else's home. */
function whyNotGenerate(host: KeyHost, store: KeyedStore): string | undefined {
  if (host.uid === 0 && host.env["SUDO_UID"] !== undefined) return "this is root through sudo";
  if (host.container) return "this is a container, and its file system may not last";
  const folder = keyFolder(host);
  if (folder === undefined) return "neither XDG_CONFIG_HOME nor a home folder is known";
  return whyNotKeyFolder(folder, store.dataDir, host.projectDir);
}

function refusal(source: KeySource, store: KeyedStore, tried: readonly string[], cause?: unknown): AppError {
  return new AppError(
    "SECRETS_KEY_MISSING",
    `could not make a vault in ${quotePath(store.dataDir)}: no master key was found`,
    {
      cause,
      hints: [
        ...tried,
        ...(source.kind === "auto"
          ? ["to keep it that way, name the file in writ.yaml: secrets: { key: { file: PATH } }"]
          : []),
        `run \`${keygenLine(source)}\`, and keep a copy apart from data and project`,
      ],
    },
  );
}

/** The line that puts a new key where this source looks for it. */
function keygenLine(source: KeySource): string {
  if (source.kind === "env") return `export ${KEY_VARIABLE}="$(writ secrets keygen)"`;
  if (source.kind === "file") {
    return `(umask 077 && writ secrets keygen > ${shellQuote(resolve(source.path))})`;
  }
  if (source.kind === "credential") {
    return `writ secrets keygen | systemd-creds encrypt --name=${CREDENTIAL} - /etc/credstore.encrypted/${CREDENTIAL}`;
  }
  return `(umask 077 && writ secrets keygen > "$HOME/writ-master.key") && export ${KEY_FILE_VARIABLE}="$HOME/writ-master.key"`;
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
