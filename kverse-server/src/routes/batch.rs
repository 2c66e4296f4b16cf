//! Many operations in one request: each on its own, or all or none.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::{
    Error, Key, KvStore, Limits, Operation, OperationOutcome, Precondition, ReadBudget,
    ReadOutcome, Write, WriteAction, WriteOutcome,
};
use kverse_store::tokens::Verb;
use kverse_store::wire::{BatchResponse, OperationRequest, OperationResponse};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Answer;
use crate::error::{Failure, problem};
use crate::extract::{json_body, parse_json, query};
use crate::state::State;

/// How many bytes of JSON a byte of the batch may take: Base64, quotes and line breaks stay below two. Text of control
/// characters takes six, and is better sent as Base64.
const JSON_EXPANSION: usize = 2;
/// What the JSON form of an operation may have beside its value, in bytes.
const OPERATION_OVERHEAD: usize = 8192;

/// `POST /batch`
pub(crate) async fn batch(request: HttpRequest, payload: Payload, state: Data<State>) -> Answer {
    let operations = operations(&request, payload, &state).await?;
    let conditional_get = operations.iter().position(
        |operation| matches!(operation, Operation::Get { precondition, .. } if *precondition != Precondition::None),
    );
    if let Some(index) = conditional_get {
        let detail = "a get has a condition only in a transaction";
        return Err(invalid(index, &Error::invalid_input(detail)));
    }
    let mut results = Vec::with_capacity(operations.len());
    let mut budget = state.limits.read_budget();
    let allow = |operation: Operation| {
        let allowed = allow(&request, &state, &operation);
        (operation, allowed)
    };
    let mut rest = operations.into_iter().map(allow).peekable();
    while let Some((first, allowed)) = rest.next() {
        let store = match allowed {
            Ok(store) => store,
            Err(refused) => {
                results.push(OperationResponse::error(refused.problem()));
                continue;
            }
        };
        let (run, count) = match first {
            Operation::Get { key, .. } => {
                let mut keys = vec![key];
                while let Some((Operation::Get { key, .. }, _)) =
                    rest.next_if(|next| matches!(next, (Operation::Get { .. }, Ok(_))))
                {
                    keys.push(key);
                }
                (
                    read(store, &state.limits, &keys, &mut budget).await,
                    keys.len(),
                )
            }
            Operation::Write(write) => {
                let mut writes = vec![write];
                while let Some((Operation::Write(write), _)) =
                    rest.next_if(|next| matches!(next, (Operation::Write(_), Ok(_))))
                {
                    writes.push(write);
                }
                let count = writes.len();
                (write_all(store, writes).await, count)
            }
        };
        match run {
            Ok(run) => results.extend(run),
            // Nothing was done yet: the request as a whole failed, and may be retried as a whole.
            Err(error) if results.is_empty() => return Err(error.into()),
            Err(error) => {
                let failed = || OperationResponse::error(problem(&error));
                results.extend(std::iter::repeat_with(failed).take(count));
            }
        }
    }
    Ok(HttpResponse::Ok().json(BatchResponse { results }))
}

/// The store, if the request may do this operation with it.
fn allow<'a>(
    request: &HttpRequest,
    state: &'a State,
    operation: &Operation,
) -> Result<&'a Arc<dyn KvStore>, Failure> {
    let (verb, key) = match operation {
        Operation::Get { key, .. } => (Verb::Read, key),
        Operation::Write(write) if is_delete(write) => (Verb::Delete, &write.key),
        Operation::Write(write) => (Verb::Write, &write.key),
    };
    state.authorize(request, verb, key)
}

/// Reads until the values of the whole answer are more than one read may find. The get that is too much, and those after
/// it, are refused: nobody has to hold a thousand of the largest values in memory.
async fn read(
    store: &Arc<dyn KvStore>,
    limits: &Limits,
    keys: &[Key],
    budget: &mut ReadBudget,
) -> kverse_core::Result<Vec<OperationResponse>> {
    // So few at a time that the store refuses none of them, however large the values are.
    let at_once = (limits.max_batch_bytes / limits.max_value_bytes).max(1);
    let mut results = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(at_once) {
        // Nothing more is read once the answer is full.
        let mut full = budget.spend(None);
        if full.is_ok() {
            for ReadOutcome { entry, .. } in store.read(chunk).await? {
                full = budget.spend(entry.as_ref());
                if full.is_err() {
                    break;
                }
                results.push(OperationResponse::get(entry.as_ref()));
            }
        }
        if let Err(error) = full {
            let refused = || OperationResponse::error(problem(&error));
            results.resize_with(keys.len(), refused);
            break;
        }
    }
    Ok(results)
}

async fn write_all(
    store: &Arc<dyn KvStore>,
    writes: Vec<Write>,
) -> kverse_core::Result<Vec<OperationResponse>> {
    let deletes: Vec<bool> = writes.iter().map(is_delete).collect();
    let outcomes = store.write(writes).await?;
    let response = |(outcome, delete): (&kverse_core::Result<WriteOutcome>, bool)| match outcome {
        Ok(outcome) => written(outcome, delete),
        Err(error) => OperationResponse::error(problem(error)),
    };
    Ok(outcomes.iter().zip(deletes).map(response).collect())
}

/// `POST /transaction`
pub(crate) async fn transaction(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
) -> Answer {
    let operations = operations(&request, payload, &state).await?;
    let deletes: Vec<bool> = operations
        .iter()
        .map(|operation| matches!(operation, Operation::Write(write) if is_delete(write)))
        .collect();
    let mut granted = None;
    for (index, operation) in operations.iter().enumerate() {
        let store = allow(&request, &state, operation);
        granted = Some(store.map_err(|refused| refused.with_operation(index))?);
    }
    let Some(store) = granted else {
        // Nothing is to be done.
        let results = Vec::new();
        return Ok(HttpResponse::Ok().json(BatchResponse { results }));
    };
    let outcomes = store.transact(operations).await?;
    let response = |(outcome, delete): (&OperationOutcome, bool)| match outcome {
        OperationOutcome::Get(entry) => OperationResponse::get(entry.as_ref()),
        OperationOutcome::Write(outcome) => written(outcome, delete),
    };
    let results = outcomes.iter().zip(deletes).map(response).collect();
    Ok(HttpResponse::Ok().json(BatchResponse { results }))
}

fn is_delete(write: &Write) -> bool {
    matches!(write.action, WriteAction::Delete)
}

fn written(outcome: &WriteOutcome, delete: bool) -> OperationResponse {
    let status = match (delete, outcome.existed) {
        (false, false) => StatusCode::CREATED,
        (false, true) => StatusCode::OK,
        (true, true) => StatusCode::NO_CONTENT,
        (true, false) => StatusCode::NOT_FOUND,
    };
    OperationResponse::write(status.as_u16(), outcome)
}

/// The operations of the body, all of them valid and together within the limits.
async fn operations(
    request: &HttpRequest,
    payload: Payload,
    state: &State,
) -> Result<Vec<Operation>, Failure> {
    /// Read in two steps, so that an error can name the operation.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request<'a> {
        #[serde(borrow)]
        operations: Vec<&'a RawValue>,
    }
    let [] = query(request, [])?;
    let limits = &state.limits;
    let limit =
        limits.max_batch_bytes * JSON_EXPANSION + limits.max_batch_operations * OPERATION_OVERHEAD;
    let body = json_body(request, payload, limit, state).await?;
    let Request { operations } = parse_json(&body)?;
    limits.check_batch(operations.len(), 0)?;
    let parse = |(index, raw): (usize, &&RawValue)| {
        let parsed = serde_json::from_str::<OperationRequest>(raw.get());
        parsed
            .map_err(|error| Error::invalid_input(error.to_string()))
            .and_then(OperationRequest::parse)
            .map_err(|error| invalid(index, &error))
    };
    let operations: Vec<Operation> = operations
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()?;
    let bytes = operations.iter().map(Operation::size).sum();
    limits.check_batch(operations.len(), bytes)?;
    Ok(operations)
}

/// The refusal of the whole request because of one operation.
fn invalid(index: usize, error: &Error) -> Failure {
    Error::invalid_input(format!("operations[{index}]: {error}"))
        .with_operation(index)
        .into()
}
