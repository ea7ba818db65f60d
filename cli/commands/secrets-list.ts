/** `writ secrets list`: names, versions, dates and who uses them; never a value. */
import { rfc3339 } from "../../base/clock.ts";
import { columns } from "../args.ts";
import type { Command } from "../command.ts";
import { openProject } from "../project.ts";
import { WORKSPACE } from "../secret-options.ts";
import { secretUsers } from "../secret-users.ts";

export const secretsList: Command = {
  name: "secrets list",
  summary:
    "Lists the stored secrets: names, versions, dates and the tasks that use them. There is no way to see a value.",
  operands: [],
  options: { workspace: { ...WORKSPACE, help: "the secrets of one workspace; else of all scopes" } },
  examples: ["writ secrets list", "writ secrets list --json --workspace payments"],
  exits: [3, 78],
  async run(args, context) {
    const { terminal } = context;
    await using project = await openProject(context);
    const stored = await project.daemon.listSecrets(args.text("workspace"));
    const users = await secretUsers(project.daemon, stored);
    const secrets = stored.map(({ key, scope, version, versions, createdAt, updatedAt, state }, index) => ({
      key,
      scope,
      version,
      versions_kept: versions,
      state,
      created_at: rfc3339(createdAt),
      updated_at: rfc3339(updatedAt),
      used_by: users[index] ?? [],
    }));
    if (terminal.mode.json) {
      terminal.json({ secrets });
      return 0;
    }
    const rows = secrets.map(({ key, scope, version, state, updated_at: at, used_by: tasks }) => {
      const used = tasks.length === 0 ? "not used" : `used by ${tasks.join(", ")}`;
      return [
        key,
        `v${version}  ${at.slice(0, 10)}  ${scope}  ${state === "enabled" ? "" : `${state}  `}${used}`,
      ] as const;
    });
    for (const line of columns(rows)) terminal.line(line);
    if (rows.length === 0) terminal.note("no secrets are stored; `writ secrets set KEY` stores one");
    return 0;
  },
};
