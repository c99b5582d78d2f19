// Send a text to all followers, or to a list, and tell what becomes of it: npx tsx send.ts [KEY [LIST]]
import {
  ApplicationFailure,
  Client,
  Connection,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  defaultPayloadConverter,
} from '@temporalio/client';
import { isDeepStrictEqual } from 'node:util';

type Request = { audience: object; message: object };
type Status = { phase: string; progress: { done: number; jobs: number } };

// The order of these does not count.
const sets = ['openids', 'any', 'all', 'none', 'states', 'of', 'minus'];

// What counts. A split test has `message_b` and `split`, too. What is expected of a tag does not count.
function content({ audience, message }: Request): unknown {
  return JSON.parse(JSON.stringify({ audience, message }), (name, value) => {
    if (name === 'expect') return undefined;
    if (value && typeof value === 'object' && !Array.isArray(value)) return Object.fromEntries(Object.entries(value).sort());
    if (!sets.includes(name) || !Array.isArray(value)) return value;
    return [...new Set(value.map((one: unknown) => JSON.stringify(one)))].sort();
  });
}

// Whether a send that runs already is seen to have this content. The same may be written otherwise, or stand at other URIs.
async function isSame(client: Client, workflowId: string, request: Request): Promise<boolean> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId },
    maximumPageSize: 1,
  });
  const [input] = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  const theirs = input && defaultPayloadConverter.fromPayload<Request>(input);
  return !!theirs && isDeepStrictEqual(content(theirs), content(request));
}

// Returns once the workers have checked all of it; `client.workflow.start` does not wait for that.
// Whoever joins a send does so by the same update: Temporal answers it from what it has stored, and takes 2,000 in a run.
async function accepted(client: Client, workflowId: string, request: Request, joins?: { updateId?: string }): Promise<void> {
  const startWorkflowOperation = new WithStartWorkflowOperation('MassSend', {
    taskQueue: 'qunfa',
    workflowId,
    args: [request],
    workflowIdConflictPolicy: joins ? 'USE_EXISTING' : 'FAIL',
  });
  try {
    await client.workflow.executeUpdateWithStart('accepted', { startWorkflowOperation, ...joins });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      if (await isSame(client, workflowId, request)) return accepted(client, workflowId, request, { updateId: 'accepted' });
      const problem =
        'key: a send of another audience or message runs under it, and goes on; ' +
        'if that is the same, only written otherwise, a new key would deliver it twice';
      throw ApplicationFailure.nonRetryable(problem, 'InvalidRequest', [problem]);
    }
    const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
    if (!(cause instanceof ApplicationFailure && cause.type === 'AskAgain')) throw error;
    await accepted(client, workflowId, request, {}); // a list goes on as another run, which is asked now
  }
}

async function main(): Promise<number> {
  const address = process.env.TEMPORAL_ADDRESS ?? 'localhost:7233';
  const client = new Client({ connection: await Connection.connect({ address }) });
  // Your own key: the same whenever your service tries again, and another one for another message.
  const key = process.argv[2] ?? `example-${new Date().toISOString().replace(/[:T]/g, '-').slice(0, 19)}`;
  // The URI of a file with an openid a line, in any number: it goes out in batches.
  const list = process.argv[3];
  const workflowId = `mass-send:demo:${key}`;
  const request = {
    account: 'demo',
    key,
    audience: list ? { kind: 'openid_file', uri: list } : { kind: 'all' },
    message: { msgtype: 'text', content: `春季特卖今天开始 (${key})` },
    requested_by: 'crm',
  };
  try {
    await accepted(client, workflowId, request);
    const handle = client.workflow.getHandle(workflowId);
    const { phase, progress } = (await handle.query('status')) as Status;
    console.log(`${workflowId} is ${phase}, ${progress.done} of ${progress.jobs} jobs done`);
    const result = (await handle.result()) as { outcome: string; totals: { sent: number } | null };
    console.log(`${result.outcome}: ${result.totals?.sent ?? 'an unknown number'} received it`);
    return 0;
  } catch (error) {
    const failed = error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError;
    const cause = failed ? error.cause : error;
    if (!(cause instanceof ApplicationFailure)) throw error;
    if (cause.type === 'InvalidRequest') {
      console.log(['refused:', ...(cause.details?.[0] as string[])].join('\n  '));
    } else if (cause.type !== 'MassSendFailed') {
      throw error; // the run was ended in Temporal: nobody knows here what became of it
    } else {
      const result = cause.details?.[0] as { outcome: string; may_have_been_delivered: boolean };
      const perhaps = result.may_have_been_delivered ? 'may have been delivered' : 'was not delivered';
      console.log(`ended as ${result.outcome}, and ${perhaps}: ${cause.message}`);
    }
    return 1;
  }
}

main().then((code) => process.exit(code));
