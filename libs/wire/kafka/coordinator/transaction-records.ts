import { recordTable } from './coordinator-record';
import { transactionLogRecord } from './transaction/00-transaction-log';

/** The records of __transaction_state by the type that their key begins with. */
export const transactionRecords = recordTable([transactionLogRecord]);
