/** What every secret provider does, whatever is behind it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { AppError } from "../../base/error.ts";
import { Secret } from "../../base/secret.ts";
import type { FoundSecret, SecretProvider, SecretRef } from "../../secrets/provider.ts";

type Place = Pick<SecretRef, "key" | "options">;

/** A provider over the real thing, in a throw-away place. */
export interface ProviderSubject extends AsyncDisposable {
  readonly provider: SecretProvider;
  /** Stores a value under a name of letters and `_`, and says how to ask for it. */
  put(name: string, bytes: Buffer): Promise<Place>;
  /** Well-formed, and to nothing. */
  readonly missing: Place;
  /** What `validate()` refuses. */
  readonly malformed: readonly Place[];
  /** Makes something that is there and can not be had; returns how to ask for it. */
  breakOne(bytes: Buffer): Promise<{ readonly place: Place; readonly code: string }>;
  /** Whether values may be any bytes. */
  readonly binary: boolean;
}

const CANARY = "canary-7f3a-not-a-real-secret";

export function testProvider(name: string, make: () => Promise<ProviderSubject>): void {
  const it = (title: string, body: (subject: ProviderSubject) => Promise<void>): void => {
    test(`${name} provider: ${title}`, async () => {
      await using subject = await make();
      await body(subject);
    });
  };

  it("resolve() answers with the exact bytes, by id, and leaves out what is not there", async (subject) => {
    const value = subject.binary
      ? Buffer.from([0xff, 0x0a, 0x00, 0x41, 0x20, 0x0a])
      : Buffer.from(` ${CANARY} é\n`);
    const one = await subject.put("ONE", value);
    const two = await subject.put("TWO", Buffer.from(CANARY));
    const found = await ask(subject.provider, [two, subject.missing, one, two]);
    assert.deepEqual(new Set(found.keys()), new Set([10, 30, 40]));
    assert.deepEqual(secretAt(found, 30).bytes, value);
    assert.equal(secretAt(found, 10).text(), CANARY);
  });

  it("resolve() gives each answer memory of its own", async (subject) => {
    const place = await subject.put("ONE", Buffer.from(CANARY));
    const found = await ask(subject.provider, [place, place]);
    const [first, second] = [secretAt(found, 10), secretAt(found, 20)];
    assert.notEqual(first.bytes.buffer, second.bytes.buffer);
    first.wipe();
    assert.equal(second.text(), CANARY);
    const again = await ask(subject.provider, [place]);
    assert.equal(secretAt(again, 10).text(), CANARY, "wiping an answer reached what is stored");
  });

  it("resolve() of nothing, and of something missing, is no error", async (subject) => {
    assert.equal((await ask(subject.provider, [])).size, 0);
    assert.equal((await ask(subject.provider, [subject.missing])).size, 0);
  });

  it("resolve() never calls what is there but broken missing, and tells no value", async (subject) => {
    const { place, code } = await subject.breakOne(Buffer.from(CANARY));
    let error: unknown;
    try {
      error = (await ask(subject.provider, [place])).get(10);
    } catch (thrown) {
      error = thrown;
    }
    assert.ok(error instanceof AppError, "a broken secret was reported as not there");
    assert.equal(error.code, code);
    assert.doesNotMatch(inspect(error), /canary/);
  });

  it("nothing of it prints a value", async (subject) => {
    const place = await subject.put("ONE", Buffer.from(CANARY));
    const found = await ask(subject.provider, [place]);
    const printed = [inspect(subject.provider, { depth: 9, showHidden: true }), inspect(found, { depth: 9 })];
    assert.doesNotMatch(printed.join("\n"), /canary/);
    assert.doesNotMatch(JSON.stringify([...found]), /canary/);
  });

  it("validate() accepts what resolve() can be asked, and refuses the rest offline", async (subject) => {
    const place = await subject.put("ONE", Buffer.from(CANARY));
    assert.equal(subject.provider.validate(place), undefined);
    assert.equal(subject.provider.validate(subject.missing), undefined);
    for (const malformed of subject.malformed) {
      assert.equal(typeof subject.provider.validate(malformed), "string", JSON.stringify(malformed));
    }
  });
}

/** Ids are 10, 20, 30 …, so that nobody can take them for places in a list. */
function ask(
  provider: SecretProvider,
  places: readonly Place[],
): Promise<ReadonlyMap<number, FoundSecret | Error>> {
  const refs = places.map((place, index) => ({ id: (index + 1) * 10, workspace: undefined, ...place }));
  return provider.resolve(refs, { signal: new AbortController().signal });
}

function secretAt(found: ReadonlyMap<number, FoundSecret | Error>, id: number): Secret {
  const answer = found.get(id);
  assert.ok(answer !== undefined && !(answer instanceof Error), `no value for ${id}`);
  assert.ok(answer.value instanceof Secret);
  return answer.value;
}
