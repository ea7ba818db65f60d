import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../../base/error.ts";
import { Secret } from "../../base/secret.ts";
import { ProviderChain } from "../../secrets/chain.ts";
import type { SecretAnswer } from "../../secrets/chain.ts";
import type { FoundSecret, SecretProvider, SecretRef } from "../../secrets/provider.ts";
import type { Reference } from "../../secrets/reference.ts";

type Answers = Readonly<Record<string, string | Error>>;

interface Asked {
  readonly batches: (readonly string[])[];
}

/** A provider over a table; what it was asked stands in `batches`. */
function tableProvider(name: string, table: Answers, chained = true): SecretProvider & Asked {
  const batches: (readonly string[])[] = [];
  return {
    name,
    scheme: name,
    chained,
    batches,
    validate: () => undefined,
    resolve: (refs) => {
      batches.push(refs.map((ref) => ref.key));
      return Promise.resolve(answersFrom(refs, table));
    },
  };
}

function answersFrom(refs: readonly SecretRef[], table: Answers): Map<number, FoundSecret | Error> {
  const answers = new Map<number, FoundSecret | Error>();
  for (const { id, key } of refs) {
    const entry = table[key];
    if (entry === undefined) continue;
    answers.set(
      id,
      entry instanceof Error ? entry : { value: new Secret(key, Buffer.from(entry)), version: 1 },
    );
  }
  return answers;
}

function providerThat(name: string, resolve: SecretProvider["resolve"]): SecretProvider {
  return { name, scheme: name, chained: true, validate: () => undefined, resolve };
}

const bare = (key: string): Reference => ({ kind: "chain", key });
const direct = (provider: string, key: string): Reference => ({ kind: "direct", provider, key, options: {} });

function ask(
  chain: ProviderChain,
  references: readonly Reference[],
  signal = new AbortController().signal,
): Promise<readonly SecretAnswer[]> {
  return chain.resolve(references, { workspace: undefined, signal });
}

function shown(answer: SecretAnswer | undefined): string {
  switch (answer?.kind) {
    case "found":
      return `${answer.provider}: ${answer.value.text()}`;
    case "missing":
      return `missing in ${answer.asked.join(", ")}`;
    case "failed":
      return answer.error.code;
    case undefined:
      return "no answer";
  }
}

test("ProviderChain.resolve() takes the first non-empty value and asks the next only for the rest", async () => {
  const first = tableProvider("first", { a: "1", empty: "" });
  const second = tableProvider("second", { a: "2", b: "2", empty: "2" });
  const third = tableProvider("third", {});
  const chain = new ProviderChain([first, second, third]);
  const answers = await ask(chain, [bare("a"), bare("b"), bare("empty"), bare("none")]);
  assert.deepEqual(answers.map(shown), [
    "first: 1",
    "second: 2",
    "second: 2",
    "missing in first, second, third",
  ]);
  assert.deepEqual(first.batches, [["a", "b", "empty", "none"]]);
  assert.deepEqual(second.batches, [["b", "empty", "none"]]);
  assert.deepEqual(third.batches, [["none"]]);
});

test("ProviderChain.resolve() goes on past nothing but absence", async () => {
  for (const code of [
    "SECRETS_DISABLED",
    "SECRETS_DECRYPT_FAILED",
    "SECRETS_KEY_MISSING",
    "SECRETS_PROVIDER_UNAVAILABLE",
    "SECRETS_ACCESS_DENIED",
  ] as const) {
    const error = new AppError(code, "it is locked");
    const after = tableProvider("after", { a: "leak", b: "leak" });
    const perKey = new ProviderChain([tableProvider("vault", { a: error }), after]);
    assert.deepEqual((await ask(perKey, [bare("a"), bare("b")])).map(shown), [code, "after: leak"]);
    assert.deepEqual(after.batches, [["b"]], "the key that failed was asked for further on");
    const untouched = tableProvider("after", { a: "leak" });
    const whole = new ProviderChain([providerThat("vault", () => Promise.reject(error)), untouched]);
    assert.deepEqual((await ask(whole, [bare("a"), bare("b")])).map(shown), [code, code]);
    assert.deepEqual(untouched.batches, []);
  }
});

test("ProviderChain.resolve() sends a direct reference to that provider alone, by name or scheme", async () => {
  const local = tableProvider("local", { a: "local" });
  const op = tableProvider("op", { x: "op" }, false);
  const chain = new ProviderChain([local, op]);
  const answers = await ask(chain, [direct("op", "x"), direct("op", "a"), direct("vault", "a"), bare("x")]);
  assert.deepEqual(answers.map(shown), [
    "op: op",
    "missing in op",
    "SECRETS_PROVIDER_UNAVAILABLE",
    "missing in local",
  ]);
  assert.deepEqual(op.batches, [["x", "a"]], "one batch, and no bare key");
});

test("ProviderChain.resolve() asks providers of direct references side by side", async () => {
  const both = Promise.withResolvers<void>();
  let waiting = 0;
  const meeting = (name: string): SecretProvider =>
    providerThat(name, async (refs) => {
      if (++waiting === 2) both.resolve();
      await both.promise;
      return answersFrom(refs, { k: name });
    });
  const answers = await ask(new ProviderChain([meeting("one"), meeting("two")]), [
    direct("one", "k"),
    direct("two", "k"),
  ]);
  assert.deepEqual(answers.map(shown), ["one: one", "two: two"]);
});

test("ProviderChain.resolve() gives up on a provider that ignores its signal, and wipes what it says too late", async () => {
  const late = Promise.withResolvers<ReadonlyMap<number, FoundSecret>>();
  let told: AbortSignal | undefined;
  const hanging = providerThat("slow", (_, { signal }) => {
    told = signal;
    return late.promise;
  });
  const env = tableProvider("env", { a: "leak" });
  const chain = new ProviderChain([hanging, env], { limitMs: 20 });
  const [answer] = await ask(chain, [bare("a")]);
  assert.equal(shown(answer), "SECRETS_PROVIDER_UNAVAILABLE");
  assert.equal(told?.aborted, true);
  assert.deepEqual(env.batches, []);
  const value = new Secret("a", Buffer.from("late-canary"));
  late.resolve(new Map([[0, { value, version: undefined }]]));
  await late.promise;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(value.bytes, Buffer.alloc(11));
});

test("ProviderChain.resolve() rejects with RUN_CANCELLED and wipes what had come in", async () => {
  const cancel = new AbortController();
  const value = new Secret("a", Buffer.from("early-canary"));
  const quick = providerThat("quick", () => Promise.resolve(new Map([[0, { value, version: undefined }]])));
  const hanging = providerThat("slow", () => {
    setImmediate(() => cancel.abort());
    return new Promise(() => undefined);
  });
  const chain = new ProviderChain([quick, hanging]);
  await assert.rejects(ask(chain, [direct("quick", "a"), direct("slow", "b")], cancel.signal), {
    code: "RUN_CANCELLED",
  });
  assert.deepEqual(value.bytes, Buffer.alloc(12));
  const never = tableProvider("never", { a: "1" });
  await assert.rejects(ask(new ProviderChain([never]), [bare("a")], AbortSignal.abort()), {
    code: "RUN_CANCELLED",
  });
  assert.deepEqual(never.batches, []);
});

test("ProviderChain.resolve() keeps a foreign error's words to itself", async () => {
  const leaky = new Error("401 for token canary-7f3a-not-a-real-secret");
  for (const provider of [
    providerThat("leaky", () => Promise.reject(leaky)),
    providerThat("leaky", () => {
      throw leaky;
    }),
    tableProvider("leaky", { a: leaky }),
  ]) {
    const [answer] = await ask(new ProviderChain([provider]), [bare("a")]);
    assert.ok(answer?.kind === "failed");
    assert.equal(answer.error.code, "SECRETS_PROVIDER_UNAVAILABLE");
    assert.doesNotMatch(answer.error.message, /canary/);
    assert.equal(answer.error.cause, undefined);
  }
});

test("ProviderChain.resolve() wipes values nobody asked for", async () => {
  const value = new Secret("x", Buffer.from("surplus"));
  const eager = providerThat("eager", () => Promise.resolve(new Map([[99, { value, version: undefined }]])));
  assert.deepEqual((await ask(new ProviderChain([eager]), [bare("a")])).map(shown), ["missing in eager"]);
  assert.deepEqual(value.bytes, Buffer.alloc(7));
});

test("ProviderChain.resolve() leaves no timer behind that would keep the process", async () => {
  await ask(new ProviderChain([tableProvider("quick", { a: "1" })], { limitMs: 60_000 }), [bare("a")]);
  assert.ok(!process.getActiveResourcesInfo().includes("Timeout"));
});
