/* Requests with the types of this very server: `npm run types` writes src/schema.ts from its OpenAPI document.

     const api = await signIn('https://steps.example.org', 'ada@example.org', 'a-long-walk-home');
     const { data, error } = await api.GET('/api/v1/leaderboard/{competition_id}', { params: { path: { competition_id } } });
     data?.data.entries; // typed, as are paths, queries, bodies and errors
*/
import createClient, { type Client } from 'openapi-fetch';
import type { paths } from './schema.js';

export type Api = Client<paths> & {
  /* Good for one socket or stream within 30 s. */
  ticket(): Promise<string>;
};

interface Pair {
  access: string;
  refresh: string;
  expires_in: number;
}

/* A client that stays signed in. Raises Refused. */
export async function signIn(base: string, email: string, password: string): Promise<Api> {
  const open = createClient<paths>({ baseUrl: base });
  const first = await open.POST('/api/v1/auth/token', { body: { email, password } });
  return signedIn(base, pairOf(first));
}

/* The same for somebody whose pair of tokens is known. */
export function signedIn(base: string, pair: Pair): Api {
  const open = createClient<paths>({ baseUrl: base });
  const api = createClient<paths>({ baseUrl: base });
  let valid_until = Date.now() + pair.expires_in * 1000;
  let renewing: Promise<void> | null = null;

  // A refresh token is used up when it is used: whoever comes meanwhile waits for the one renewal.
  const renew = async () => {
    pair = pairOf(await open.POST('/api/v1/auth/token/refresh', { body: { refresh: pair.refresh } }));
    valid_until = Date.now() + pair.expires_in * 1000;
  };
  api.use({
    async onRequest({ request }) {
      if (Date.now() > valid_until - 60_000) await (renewing ??= renew().finally(() => (renewing = null)));
      request.headers.set('Authorization', `Bearer ${pair.access}`);
      return request;
    },
  });
  const ticket = async () => {
    const answer = await api.POST('/api/v1/auth/ticket', { body: {} });
    if (!answer.data) throw new Refused(answer.response.status, answer.error?.message ?? '');
    return answer.data.data.ticket;
  };
  return Object.assign(api, { ticket });
}

export class Refused extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

function pairOf(answer: { data?: { data: Pair }; error?: { message: string }; response: Response }): Pair {
  if (!answer.data) throw new Refused(answer.response.status, answer.error?.message ?? '');
  return answer.data.data;
}
