/** The vault's file: found, made whole or not at all, and opened with its keys. */
import { randomBytes } from "node:crypto";
import { linkSync, lstatSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../../base/error.ts";
import { quote } from "../../base/text.ts";
import { hasCode, prepareFolder } from "../data-dir.ts";
import type { OpenOptions } from "../database.ts";
import { explainFailure, quotePath } from "../failure.ts";
import type { Catalog } from "./catalog.ts";
import { decodeHeader, encodeHeader, headerTagInput, rootInput } from "./format.ts";
import { syncFolder } from "./key-file.ts";
import { createRing, openRing, type KeyRing } from "./key-ring.ts";
import { loadMasterKey, masterKeyForNewStore, type KeyHost, type KeySource } from "./key-source.ts";
import { emptyVaultImage, VaultTables } from "./tables.ts";

const FILE_NAME = "secrets.db";
const STORE_ID_BYTES = 16;
/** A SQLite file is at least its header. */
const FILE_MIN_BYTES = 100;

export interface StorePlace {
  readonly dataDir: string;
  readonly keySource: KeySource;
  readonly keyHost: KeyHost;
  /** The store this folder is known to hold. Another one, or none, is then `SECRETS_STORE_CORRUPT`. */
  readonly knownStoreId?: string | undefined;
  /** The known store is lost and given up: where there is no file, a new vault may be made. */
  readonly storeGivenUp?: boolean;
  readonly testOnly?: Pick<OpenOptions, "testOnlyMaxPages" | "testOnlyBusyLimitMs">;
}

export interface OpenStore {
  readonly tables: VaultTables;
  readonly ring: KeyRing;
  readonly generation: number;
  /** The header's body when the ring was unwrapped. */
  readonly body: Buffer;
  /** The last state that was checked or made here, which may have been undone since. */
  catalog: Catalog | undefined;
}

/**
 * Undefined when there is no vault and none is known; changes nothing on the disk either way. The keys of `made`
 * are taken if the file proves to be theirs, which saves a derivation.
 */
export async function openStore(place: StorePlace, made?: KeyRing): Promise<OpenStore | undefined> {
  const path = join(place.dataDir, FILE_NAME);
  if (!isThere(path, place)) return undefined;
  const tables = await VaultTables.open(path, place.testOnly ?? {});
  let ring: KeyRing | undefined;
  try {
    const { body } = await tables.read(() => tables.header());
    const header = decodeHeader(body);
    const { storeId, generation } = header;
    if (made === undefined && place.knownStoreId !== undefined && place.knownStoreId !== storeId) {
      throw new AppError(
        "SECRETS_STORE_CORRUPT",
        `refused the vault ${quotePath(path)}: it is store ${storeId}, this folder's is ${quote(place.knownStoreId)}`,
        { hints: ["put the right file back"] },
      );
    }
    if (made?.storeId === storeId) ring = made;
    else {
      using key = loadMasterKey(place.keySource, place.keyHost, { id: storeId, dataDir: place.dataDir });
      ring = await openRing(header, key.bytes);
      if (ring === undefined) {
        throw new AppError(
          "SECRETS_DECRYPT_FAILED",
          `could not open the vault ${quotePath(path)}: the master key from ${key.origin} is not the one it was made with`,
          { hints: ["give the key this vault was made with; nothing was changed"] },
        );
      }
    }
    return { tables, ring, generation, body, catalog: undefined };
  } catch (error) {
    ring?.[Symbol.dispose]();
    await tables[Symbol.asyncDispose]();
    throw error;
  }
}

function isThere(path: string, { knownStoreId, storeGivenUp }: StorePlace): boolean {
  let found: ReturnType<typeof lstatSync>;
  try {
    found = lstatSync(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw explainFailure(error, path);
    if (knownStoreId === undefined || storeGivenUp === true) return false;
    throw new AppError(
      "SECRETS_STORE_CORRUPT",
      `the vault ${quotePath(path)} is gone: this folder's store is ${quote(knownStoreId)}`,
      {
        hints: [
          "restore the file from a backup, or give its secrets up and store new ones: writ secrets set KEY --new-vault",
        ],
      },
    );
  }
  if (found.isFile() && found.size >= FILE_MIN_BYTES) return true;
  throw new AppError(
    "SECRETS_STORE_CORRUPT",
    `refused the vault ${quotePath(path)}: ${found.isFile() ? "it was cut short" : "it is no regular file"}`,
    { hints: ["restore the file from a backup"] },
  );
}

/** What `createStore` made. */
export interface CreatedStore {
  /** Owned by the caller, who disposes of it. */
  readonly ring: KeyRing;
  /** The key file made for it; undefined when the key came from elsewhere. */
  readonly newKeyFile: string | undefined;
}

/**
 * Makes the vault under a temporary name and links it into place: it is there whole, or not at all, and of two
 * processes one wins. Undefined when somebody else was first; nothing of ours is left then, nor after a throw.
 */
export async function createStore(place: StorePlace, now: number): Promise<CreatedStore | undefined> {
  const { dataDir, keySource, keyHost } = place;
  const path = join(dataDir, FILE_NAME);
  prepareFolder(dataDir);
  const storeId = randomBytes(STORE_ID_BYTES).toString("hex");
  using key = masterKeyForNewStore(keySource, keyHost, { id: storeId, dataDir });
  let ring: KeyRing | undefined;
  let linked = false;
  const draft = `${path}.${storeId.slice(0, 8)}.new`;
  try {
    const made = await createRing(storeId, key.bytes, now);
    ring = made.ring;
    const [body, epoch] = [encodeHeader(made.header), 0];
    const root = ring.mac("mac", rootInput(epoch, []));
    const tag = ring.mac("mac", headerTagInput({ body, epoch, root }));
    writeFileSync(draft, emptyVaultImage({ body, epoch, root, tag }), {
      flag: "wx",
      mode: 0o600,
      flush: true,
    });
    linkSync(draft, path);
    linked = true;
    return { ring, newKeyFile: key.newFile };
  } catch (error) {
    if (hasCode(error, "EEXIST")) return undefined;
    throw explainFailure(error, path);
  } finally {
    rmSync(draft, { force: true });
    if (linked) syncFolder(dataDir);
    else {
      ring?.[Symbol.dispose]();
      key.discardNewFile();
    }
  }
}
