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
use crate::extract::{RequestIdentity, json_body, parse_json, query, refuse_conditions};
use crate::openapi::operations::{BatchBody, TransactionBody};
use crate::openapi::parameters::BatchHeaders;
use crate::openapi::problems::{
    BodyProblems, Conflict, PreconditionFailed, Unsupported, WriteProblems,
};
use crate::state::State;

/// How many bytes of JSON a byte of the batch may take: Base64, quotes and line breaks stay below two. Text of control
/// characters takes six, and is better sent as Base64.
const JSON_EXPANSION: usize = 2;
/// What the JSON form of an operation may have beside its value, in bytes.
const OPERATION_OVERHEAD: usize = 8192;

/// Does many operations, each on its own
///
/// Each has its own status in the answer. They are done in their order; conditions are for writes only.
#[utoipa::path(
    post,
    path = "/batch",
    operation_id = "batch",
    tag = "keys",
    params(BatchHeaders),
    request_body = BatchBody,
    responses((status = 200, description = "A result for each operation.", body = BatchResponse), WriteProblems, BodyProblems)
)]
pub(crate) async fn batch(request: HttpRequest, payload: Payload, state: Data<State>) -> Answer {
    let operations = operations(&request, payload, &state, Together::No).await?;
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
        Operation::Write(write) => match write.action {
            WriteAction::Delete => (Verb::Delete, &write.key),
            WriteAction::Put { .. } | WriteAction::Touch { .. } => (Verb::Write, &write.key),
        },
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
    let statuses: Vec<_> = writes.iter().map(Statuses::of).collect();
    let outcomes = store.write(writes).await?;
    let response =
        |(outcome, statuses): (&kverse_core::Result<WriteOutcome>, Statuses)| match outcome {
            Ok(outcome) => statuses.response(outcome),
            Err(error) => OperationResponse::error(problem(error)),
        };
    Ok(outcomes.iter().zip(statuses).map(response).collect())
}

/// Does many operations, all or none
#[utoipa::path(
    post,
    path = "/transaction",
    operation_id = "transaction",
    tag = "keys",
    params(BatchHeaders),
    request_body = TransactionBody,
    responses(
        (status = 200, description = "All are done: a result for each.", body = BatchResponse),
        WriteProblems,
        BodyProblems,
        Conflict,
        PreconditionFailed,
        Unsupported,
    )
)]
pub(crate) async fn transaction(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
) -> Answer {
    let operations = operations(&request, payload, &state, Together::Yes).await?;
    let statuses: Vec<_> = operations
        .iter()
        .map(|operation| match operation {
            Operation::Get { .. } => Statuses::PUT,
            Operation::Write(write) => Statuses::of(write),
        })
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
    let response = |(outcome, statuses): (&OperationOutcome, Statuses)| match outcome {
        OperationOutcome::Get(entry) => OperationResponse::get(entry.as_ref()),
        OperationOutcome::Write(outcome) => statuses.response(outcome),
    };
    let results = outcomes.iter().zip(statuses).map(response).collect();
    Ok(HttpResponse::Ok().json(BatchResponse { results }))
}

/// The status of a write, by whether the key existed.
#[derive(Clone, Copy)]
struct Statuses {
    existed: StatusCode,
    missing: StatusCode,
}

impl Statuses {
    const PUT: Self = Self {
        existed: StatusCode::OK,
        missing: StatusCode::CREATED,
    };
    const TOUCH: Self = Self {
        existed: StatusCode::OK,
        missing: StatusCode::NOT_FOUND,
    };
    const DELETE: Self = Self {
        existed: StatusCode::NO_CONTENT,
        missing: StatusCode::NOT_FOUND,
    };

    fn of(write: &Write) -> Self {
        match write.action {
            WriteAction::Put { .. } => Self::PUT,
            WriteAction::Touch { .. } => Self::TOUCH,
            WriteAction::Delete => Self::DELETE,
        }
    }

    fn response(self, outcome: &WriteOutcome) -> OperationResponse {
        let status = if outcome.existed {
            self.existed
        } else {
            self.missing
        };
        OperationResponse::write(status.as_u16(), outcome)
    }
}

/// Whether the operations of a request are done together or not at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Together {
    Yes,
    No,
}

/// The operations of the body, all of them valid and together within the limits.
async fn operations(
    request: &HttpRequest,
    payload: Payload,
    state: &State,
    together: Together,
) -> Result<Vec<Operation>, Failure> {
    /// Read in two steps, so that an error can name the operation.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request<'a> {
        #[serde(borrow)]
        operations: Vec<&'a RawValue>,
    }
    let [] = query(request, [])?;
    refuse_conditions(request.headers())?;
    let identity = RequestIdentity::parse(request.headers())?;
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
            .and_then(|operation| {
                let has_own_key = operation.idempotency_key.is_some();
                Ok((operation.parse()?, has_own_key))
            })
            .map_err(|error| invalid(index, &error))
    };
    let operations: Vec<(Operation, bool)> = operations
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()?;
    let bytes = operations.iter().map(|(one, _)| one.size()).sum();
    limits.check_batch(operations.len(), bytes)?;
    Ok(match together {
        Together::Yes => identity.identify_transaction(operations, &body),
        Together::No => identity.identify_batch(operations, &body),
    })
}

/// The refusal of the whole request because of one operation.
fn invalid(index: usize, error: &Error) -> Failure {
    Error::invalid_input(format!("operations[{index}]: {error}"))
        .with_operation(index)
        .into()
}
