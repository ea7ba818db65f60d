/** `writ secrets delete`: destroys a secret with all its versions. */
import type { Command } from "../command.ts";
import { actor, openProject } from "../project.ts";
import { IF_VERSION, readVersion, scopeName, WORKSPACE } from "../secret-options.ts";

export const secretsDelete: Command = {
  name: "secrets delete",
  summary: "Destroys a secret, all its versions. It asks nothing and can not be undone.",
  operands: ["<key>"],
  options: { workspace: WORKSPACE, "if-version": IF_VERSION },
  notes: ["Deleting what is not there is no error."],
  examples: [
    "writ secrets delete github_token",
    "writ secrets delete token --workspace payments --if-version 3",
  ],
  exits: [3, 78],
  async run(args, context) {
    const { terminal } = context;
    const [key = ""] = args.operands;
    const workspace = args.text("workspace");
    const ifVersion = readVersion(args.text("if-version"));
    await using project = await openProject(context);
    const deleted = await project.daemon.deleteSecret({
      workspace,
      key,
      actor: actor(),
      ...(ifVersion === undefined ? {} : { ifVersion }),
    });
    if (terminal.mode.json) terminal.json({ key, scope: scopeName(workspace), deleted });
    else if (deleted) terminal.line(`deleted ${key} (${scopeName(workspace)}), all its versions`);
    else terminal.line(`nothing to delete: there is no ${key} (${scopeName(workspace)})`);
    return 0;
  },
};
