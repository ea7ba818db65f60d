/** A process of its own that sets 100 keys and one shared key 100 times: `writer.ts FOLDER NAME`. */
import { openVault } from "./harness.ts";

const [folder, name] = process.argv.slice(2);
if (folder === undefined || name === undefined) throw new Error("usage: writer.ts FOLDER NAME");
await using vault = await openVault(folder);
for (let n = 0; n < 100; n++) {
  const bytes = Buffer.from(`value-${name}-${n}`);
  await vault.setMany(
    "global",
    new Map([
      [`${name}-${n}`, { bytes }],
      ["shared", { bytes }],
    ]),
    { actor: name },
  );
}
