/** `writ check`: are my files right? Offline: nothing is run, and no provider is asked. */
import { realpath } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { renderProblem, type Problem } from "../../manifest/problem.ts";
import type { Command } from "../command.ts";
import { openProject, type Daemon, type TaskPlace } from "../project.ts";

const EXIT_INVALID = 3;

export const check: Command = {
  name: "check",
  summary:
    "Shows every problem in writ.yaml and in every manifest, and what is declared but does not act yet.",
  operands: ["[path]"],
  options: {},
  notes: [
    "The path is a task, its folder, or a folder with tasks below it; without one all tasks are checked.",
  ],
  examples: ["writ check", "writ check tasks/reports --json"],
  exits: [3, 4, 78],
  async run({ operands: [path] }, context) {
    const { terminal, cwd } = context;
    await using project = await openProject(context, path);
    const { config, daemon } = project;
    const places = await select(daemon, path, cwd);
    const found: (Problem & { readonly task: string })[] = [];
    for (const place of places) {
      for (const problem of await daemon.check(place)) found.push({ task: place.id, ...problem });
    }
    const errors = found.filter(({ severity }) => severity === "error").length;
    if (terminal.mode.json) {
      terminal.json({ tasks: places.map(({ id }) => id), problems: found });
    } else {
      for (const problem of found) {
        terminal.line(renderProblem(problem), problem.severity === "error" ? "red" : "yellow");
      }
      const notes = found.length - errors;
      if (places.length === 0) terminal.warn(`no folder with a task.yaml below ${config.tasks.join(", ")}`);
      terminal.note(`${count(places.length, "task")}, ${count(errors, "problem")}, ${count(notes, "note")}`);
    }
    return errors === 0 ? 0 : EXIT_INVALID;
  },
};

async function select(daemon: Daemon, path: string | undefined, cwd: string): Promise<readonly TaskPlace[]> {
  const all = await daemon.tasks.list();
  if (path === undefined) return all;
  const folder = path.includes("\0") ? undefined : await realpath(resolve(cwd, path)).catch(() => undefined);
  const below = all.filter(
    ({ dir }) => folder !== undefined && (dir === folder || dir.startsWith(folder + sep)),
  );
  return below.length > 0 ? below : [await daemon.tasks.find(path, cwd)];
}

function count(amount: number, what: string): string {
  return `${amount} ${what}${amount === 1 ? "" : "s"}`;
}
