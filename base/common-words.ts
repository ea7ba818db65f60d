/** Values nobody should be asked to find in a log: replacing them would hide ordinary text and tell what they are. */

const COMMON_WORDS: ReadonlySet<string> = new Set(
  `true false null none undefined nil void empty yes no on off enabled disabled auto default unknown
  admin administrator root user username guest login test tests tester testing demo example sample local localhost
  password passwd passw0rd pass1234 secret secrets changeme change_me letmein welcome qwerty abcd abc123 token
  apikey api_key hello world foobar string number boolean object value name email okay error errors warn warning
  info debug trace failed failure success status start started stop stopped running
  production prod staging stage development develop devel main master latest stable public private internal external
  server client service database postgres mysql redis mongo mongodb
  http https json yaml text html utf8 utf-8 bearer basic redacted placeholder
  0000 00000 000000 1111 11111 111111 1234 12345 123456 1234567 12345678 123456789 1234567890 4321 54321 654321
  127.0.0.1 0.0.0.0 8080 3000 5432 3306 6379`.split(/\s+/),
);

export function isCommonWord(text: string): boolean {
  return COMMON_WORDS.has(text.toLowerCase());
}
