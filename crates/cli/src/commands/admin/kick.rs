//! `stompbox kick`.

use serde_json::{Value, json};

use super::{
    api::{Api, query, segment},
    model::{Connection, listing, read},
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
    let by = match args.by {
        Some(by) => by,
        None => found_out(&mut api, &args.whom).await?,
    };
    let path = match by {
        KickBy::Id => format!("/connections/{}", segment(&args.whom)),
        KickBy::User => query("/connections", &[("user", Some(&args.whom))]),
    };
    let reason = args
        .reason
        .as_ref()
        .map(|reason| json!({ "reason": reason }));
    let answer = api.delete(&path, reason.as_ref()).await?;
    let kicked = answer.get("kicked").and_then(Value::as_u64).unwrap_or(0);
    let whom = plain(&args.whom);
    let words = match (by, kicked) {
        (KickBy::Id, _) => format!("kicked connection {whom}"),
        (KickBy::User, 1) => format!("kicked 1 connection of {whom}"),
        (KickBy::User, kicked) => format!("kicked {kicked} connections of {whom}"),
    };
    if kicked == 0 {
        let text = format!("there is no connection of {whom}");
        return Err(Exit::failure(NOTHING, text));
    }
    report(args.output, &words, &json!({ "kicked": kicked }))
}

/// Whether it is a connection's ID or a user's login. Both is refused: the wrong one is not to be
/// disconnected.
async fn found_out(api: &mut Api, whom: &str) -> Result<KickBy, Failure> {
    let is_id = match api.get(&format!("/connections/{}", segment(whom))).await {
        Ok(_) => true,
        Err(error) if error.is_missing() => false,
        Err(error) => return Err(error.into()),
    };
    let (found, _) = listing(api, "/connections", &[("filter", Some(whom))], usize::MAX).await?;
    let mut is_user = false;
    for one in &found {
        is_user |= read::<Connection>(one)?.user.as_deref() == Some(whom);
    }
    let whom = plain(whom);
    match (is_id, is_user) {
        (true, false) => Ok(KickBy::Id),
        (false, true) => Ok(KickBy::User),
        (true, true) => {
            let text = format!("{whom} is a connection and a user: say --by id or --by user");
            Err(text.into())
        }
        (false, false) => {
            let text =
                format!("there is no connection {whom}, and no user of this name is connected");
            Err(Exit::failure(NOTHING, text))
        }
    }
}
