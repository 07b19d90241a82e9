//! `stompbox kick`.

use serde_json::{Value, json};

use super::{
    api::{Api, query, segment},
    model::{Connection, connection, read, whole_listing},
    report,
    text::plain,
};
use crate::{
    args::{Kick, KickBy},
    exit::{Exit, Failure, NOTHING},
};

/// Disconnects a connection, or all of a user.
pub(crate) async fn kick(args: Kick) -> Result<(), Failure> {
    let mut api = Api::of(&args.admin)?;
    let (id, is_user) = match args.by {
        Some(KickBy::Id) => (id_of(&mut api, &args.whom).await?, false),
        Some(KickBy::User) => (None, true),
        None => (
            id_of(&mut api, &args.whom).await?,
            is_connected(&mut api, &args.whom).await?,
        ),
    };
    let whom = plain(&args.whom);
    let path = match (&id, is_user) {
        // The wrong one is not to be disconnected.
        (Some(_), true) => {
            let text = format!("{whom} is a connection and a user: say --by id or --by user");
            return Err(text.into());
        }
        (Some(id), false) => format!("/connections/{}", segment(id)),
        (None, true) => query("/connections", &[("user", Some(&args.whom))]),
        (None, false) => {
            let text = match args.by {
                Some(_) => format!("there is no connection {whom}"),
                None => {
                    format!("there is no connection {whom}, and no user of this name is connected")
                }
            };
            return Err(Exit::failure(NOTHING, text));
        }
    };
    let reason = args
        .reason
        .as_ref()
        .map(|reason| json!({ "reason": reason }));
    let answer = api.delete(&path, reason.as_ref()).await?;
    let kicked = answer.get("kicked").and_then(Value::as_u64).unwrap_or(0);
    let words = match (is_user, kicked) {
        (false, _) => format!("kicked connection {whom}"),
        (true, 1) => format!("kicked 1 connection of {whom}"),
        (true, kicked) => format!("kicked {kicked} connections of {whom}"),
    };
    if kicked == 0 {
        let text = format!("there is no connection of {whom}");
        return Err(Exit::failure(NOTHING, text));
    }
    report(args.output, &words, &json!({ "kicked": kicked }))
}

/// The whole ID of a connection that is there.
async fn id_of(api: &mut Api, whom: &str) -> Result<Option<String>, Failure> {
    match connection(api, whom).await? {
        Some(object) => Ok(Some(read::<Connection>(&object)?.id)),
        None => Ok(None),
    }
}

/// Whether a user has a connection.
async fn is_connected(api: &mut Api, user: &str) -> Result<bool, Failure> {
    let pairs = [("filter", Some(user))];
    for one in &whole_listing(api, "/connections", &pairs).await? {
        if read::<Connection>(one)?.user.as_deref() == Some(user) {
            return Ok(true);
        }
    }
    Ok(false)
}
