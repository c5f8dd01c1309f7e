import { Client, escapeIdentifier } from "pg";
import { InputError, messageOf, must } from "../kernel/index.ts";
import { isConnectionFault, PostgresError, sqlStateOf, systemCodeOf, translated } from "./errors.ts";

const VERSION_MIN = 15;
const CONNECT_MS_MAX = 15_000;

/** Connects once to a user's database, and refuses with a reason what could not work later. */
export async function checkReachable(url: string): Promise<void> {
  checkForm(url);
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS_MAX });
  client.on("error", () => {});
  try {
    await client.connect();
    await checkServer(client, url);
  } catch (error) {
    const reason = explainConnect(error, url);
    throw isConnectionFault(reason) ? explained(NO_ANSWER, error, url) : reason;
  } finally {
    await client.end().catch(() => {});
  }
}

/** A database address without its password, for messages. */
function shown(url: string): string {
  try {
    const parsed = new URL(url);
    const user = parsed.username === "" ? "" : `${parsed.username}@`;
    return `postgresql://${user}${parsed.host}${parsed.pathname}`;
  } catch {
    return "(unreadable address)";
  }
}

/** A failed connection, said in terms of what its owner can do about it. */
export function explainConnect(error: unknown, url: string): unknown {
  const known = EXPLANATIONS[systemCodeOf(error)] ?? EXPLANATIONS[sqlStateOf(error) ?? ""];
  if (known !== undefined) return explained(known, error, url);
  return /SSL|certificate/i.test(messageOf(error)) ? explained(ENCRYPTION, error, url) : translated(error);
}

type Explanation = Readonly<{ code: string; retry: "never" | "later"; message: string }>;

function explained({ code, retry, message }: Explanation, error: unknown, url: string): PostgresError {
  const said = messageOf(error) === "" ? "" : ` (${messageOf(error)})`;
  return new PostgresError({ code, retry, message: `${shown(url)}: ${message}${said}`, cause: error });
}

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: {
    code: "connection-refused",
    retry: "later",
    message: "nothing listens there; start the server, or correct host and port",
  },
  ENOTFOUND: {
    code: "host-unknown",
    retry: "never",
    message: "no such host; correct the host name",
  },
  EAI_AGAIN: {
    code: "host-unknown",
    retry: "later",
    message: "the host name cannot be looked up now; check the network, or correct the host name",
  },
  "28P01": {
    code: "login-refused",
    retry: "never",
    message: "user or password are wrong; correct them in the address",
  },
  "28000": {
    code: "login-refused",
    retry: "never",
    message: "the server refuses this user from here; see its pg_hba.conf, or add ?sslmode=require",
  },
  "3D000": {
    code: "database-missing",
    retry: "never",
    message: "the server has no database of that name; create it with createdb, or correct the address",
  },
};
const ENCRYPTION: Explanation = {
  code: "encryption-refused",
  retry: "never",
  message: "server and address do not agree on encryption; change ?sslmode or ?sslrootcert in the address",
};
const NO_ANSWER: Explanation = {
  code: "no-answer",
  retry: "later",
  message:
    "something listens there but does not answer as Postgres does; correct host and port, or wait for it",
};

function checkForm(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && /^postgres(?:ql)?:$/.test(parsed.protocol)) return;
  throw new InputError({
    code: "url-invalid",
    message:
      "the database address is not of the form postgresql://user:password@host:5432/database; " +
      "percent-encode special characters in the password",
  });
}

type Server = {
  readonly database: string;
  readonly user: string;
  readonly version: number;
  readonly creates: boolean;
  readonly exists: boolean;
};

async function checkServer(client: Client, url: string): Promise<void> {
  const { rows } = await client.query<Server>(
    `select current_database() as database, current_user as "user",
            current_setting('server_version_num')::int / 10000 as version,
            has_database_privilege(current_database(), 'create') as creates,
            to_regnamespace('factotum') is not null as exists`,
  );
  const row = must(rows[0], "the row of a select without from");
  if (row.version < VERSION_MIN) {
    throw new InputError({
      code: "server-too-old",
      message: `${shown(url)} runs Postgres ${row.version}; Factotum needs ${VERSION_MIN} or newer`,
    });
  }
  if (!row.creates && !row.exists) {
    throw new InputError({
      code: "create-refused",
      message:
        `${shown(url)}: this user may not create Factotum's schema; as the database's owner run, once, ` +
        `grant create on database ${escapeIdentifier(row.database)} to ${escapeIdentifier(row.user)}`,
    });
  }
}
