use kverse_store::tokens::{IssuedToken, NewToken, Scope, Token, TokenId, TokenStore};
use kverse_store::wire::IssuedTokenResponse;

use crate::args::{CreateArgs, TokenArgs, TokenCommand};
use crate::exit::{Exit, Failure};
use crate::output::{Output, complain};

pub(crate) async fn run(
    tokens: &dyn TokenStore,
    args: TokenArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match args.command {
        TokenCommand::Create(CreateArgs { name, scopes, ttl }) => {
            let new = NewToken::new(name, scopes)?.with_ttl(ttl)?;
            print(tokens.create(new).await?, output)
        }
        TokenCommand::List => list(tokens, output).await,
        TokenCommand::Revoke { id } => match tokens.revoke(&id).await? {
            true => Ok(Exit::Done),
            false => Ok(unknown(&id)),
        },
        TokenCommand::Rotate { id, overlap } => {
            match tokens.rotate(&id, overlap.unwrap_or_default()).await? {
                Some(issued) => print(issued, output),
                None => Ok(unknown(&id)),
            }
        }
    }
}

fn unknown(id: &TokenId) -> Exit {
    complain(&format!("there is no token {id}"));
    Exit::NotFound
}

/// The secret, which nobody will see again.
fn print(issued: IssuedToken, output: &mut Output) -> Result<Exit, Failure> {
    let id = issued.token.id.clone();
    if output.is_json() {
        output.json(&IssuedTokenResponse::from(issued))?;
    } else {
        output.line(&issued.secret.expose())?;
    }
    output.flush()?;
    complain(&format!("this is token {id}; it is not shown again"));
    Ok(Exit::Done)
}

async fn list(tokens: &dyn TokenStore, output: &mut Output) -> Result<Exit, Failure> {
    for token in tokens.list().await? {
        if output.is_json() {
            output.json(&token)?;
        } else {
            output.line(&describe(&token))?;
        }
    }
    Ok(Exit::Done)
}

fn describe(token: &Token) -> String {
    let scopes: Vec<_> = token.scopes.iter().map(Scope::to_string).collect();
    let end = token
        .expires_at
        .map_or_else(|| "never".to_owned(), |at| at.to_string());
    let name = &token.name;
    format!("{}\t{name}\t{}\texpires {end}", token.id, scopes.join(" "))
}
