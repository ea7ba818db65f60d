/** `writ secrets keygen`: a master key for a person to keep. */
import type { Command } from "../command.ts";

export const secretsKeygen: Command = {
  name: "secrets keygen",
  summary: "Prints a new master key, 32 random bytes in base64. Nothing is stored or changed.",
  operands: [],
  options: {},
  notes: [
    "writ makes a key by itself on a developer's machine. On a server or in a container you make it, and hand it",
    "over in WRIT_MASTER_KEY, in a file that WRIT_MASTER_KEY_FILE names, or as the systemd credential",
    "writ-master-key. Keep a copy apart from the data: without it the stored secrets can not be read by anybody.",
  ],
  examples: [
    "(umask 077 && writ secrets keygen > writ-master.key)",
    'export WRIT_MASTER_KEY="$(writ secrets keygen)"',
  ],
  exits: [],
  async run(_args, { terminal }) {
    const { newMasterKey } = await import("../../server/daemon.ts");
    const key = newMasterKey();
    if (terminal.mode.json) terminal.json({ key });
    else terminal.line(key);
    return 0;
  },
};
