//! `stompbox sub ls` and `sub rm`.

use serde_json::{Value, json};

use super::{
    api::{Api, segment},
    ask::ask,
    list::print,
    model::{Durable, read, whole_listing},
    report,
    table::{Column, Table},
    text::{at, bytes, count, messages, plain},
};
use crate::{
    args::{Admin, DurableVerb, Listing, Report},
    exit::{Exit, Failure, NOTHING, USAGE},
};

/// Looks after durable subscriptions.
pub(crate) async fn durable(verb: Option<DurableVerb>) -> Result<(), Failure> {
    match verb {
        None => Ok(()),
        Some(DurableVerb::Ls { output, admin }) => list(output, &admin).await,
        Some(DurableVerb::Rm {
            subscription,
            owner,
            yes,
            output,
            admin,
        }) => remove(&subscription, owner.as_deref(), yes, output, &admin).await,
    }
}

async fn all(api: &mut Api) -> Result<Vec<Value>, Failure> {
    whole_listing(api, "/durable-subscriptions", &[]).await
}

async fn list(output: Listing, admin: &Admin) -> Result<(), Failure> {
    let mut api = Api::of(admin)?;
    let items = all(&mut api).await?;
    let mut table = Table::new([
        Column::Text("KEY"),
        Column::Text("NAME"),
        Column::Text("OWNER"),
        Column::Text("CLIENT-ID"),
        Column::Text("DESTINATION"),
        Column::Number("DEPTH"),
        Column::Number("BYTES"),
        Column::Text("CONNECTED"),
        Column::Text("LAST-SEEN"),
        Column::Text("SELECTOR"),
    ]);
    let is_exact = output == Listing::Table;
    for item in &items {
        let it: Durable = read(item)?;
        table.row([
            it.key,
            it.name,
            it.owner.unwrap_or_default(),
            it.client_id.unwrap_or_default(),
            it.destination,
            if is_exact {
                it.depth.to_string()
            } else {
                count(it.depth)
            },
            if is_exact {
                it.bytes.to_string()
            } else {
                bytes(it.bytes)
            },
            if it.connected {
                "yes".into()
            } else {
                "no".into()
            },
            it.last_seen.map(at).unwrap_or_default(),
            it.selector.unwrap_or_default(),
        ]);
    }
    if items.is_empty() {
        if output == Listing::Json {
            print(&items, &table, output)?;
        }
        let text = "there is no durable subscription";
        return Err(Exit::failure(NOTHING, text));
    }
    print(&items, &table, output)
}

async fn remove(
    what: &str,
    owner: Option<&str>,
    yes: bool,
    output: Report,
    admin: &Admin,
) -> Result<(), Failure> {
    let mut api = Api::of(admin)?;
    let mut known = Vec::new();
    for item in all(&mut api).await? {
        known.push(read::<Durable>(&item)?);
    }
    let it = chosen(&known, what, owner)?;
    let name = plain(&it.name);
    let question = format!(
        "Remove the durable subscription {name} to {} with {}, at {}?",
        plain(&it.destination),
        messages(it.depth),
        api.url()
    );
    ask(&question, yes)?;
    api.let_go();
    let path = format!("/durable-subscriptions/{}", segment(&it.key));
    api.delete(&path, None).await?;
    let object = json!({ "deleted": true, "key": it.key, "messages": it.depth });
    let words = format!("removed {name} with {}", messages(it.depth));
    report(output, &words, &object)
}

/// The one that is meant by its key, or by its name if there is one of it.
fn chosen<'a>(
    known: &'a [Durable],
    what: &str,
    owner: Option<&str>,
) -> Result<&'a Durable, Failure> {
    // The broker can't always tell a login from a client-id.
    let is_of = |it: &&Durable| {
        let is = |name: &Option<String>| name.as_deref() == owner;
        owner.is_none() || is(&it.owner) || is(&it.client_id)
    };
    let by_key = known.iter().filter(is_of).find(|it| it.key == what);
    if let Some(it) = by_key {
        return Ok(it);
    }
    let named: Vec<_> = known
        .iter()
        .filter(is_of)
        .filter(|it| it.name == what)
        .collect();
    match named[..] {
        [] => {
            let text = format!("there is no durable subscription {}", plain(what));
            Err(Exit::failure(NOTHING, text))
        }
        [it] => Ok(it),
        _ => {
            let keys: Vec<_> = named.iter().map(|it| plain(&it.key)).collect();
            let text = format!(
                "{} is the name of {}: say which by its key, {}",
                plain(what),
                named.len(),
                keys.join(" or ")
            );
            Err(Exit::failure(USAGE, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_chosen_by_key_or_name() {
        let one = |key: &str, client: &str, name: &str| Durable {
            key: key.into(),
            client_id: Some(client.into()),
            name: name.into(),
            ..Durable::default()
        };
        let known = [
            one("k1", "a", "n"),
            one("k2", "b", "n"),
            one("k3", "b", "m"),
        ];
        let key = |what, client| {
            chosen(&known, what, client)
                .map(|it| it.key.clone())
                .map_err(|it| it.to_string())
        };
        assert_eq!(key("k2", None), Ok("k2".into()));
        assert_eq!(key("m", None), Ok("k3".into()));
        assert_eq!(key("n", Some("a")), Ok("k1".into()));
        assert!(key("n", None).is_err_and(|it| it.contains("k1 or k2")));
        assert!(key("m", Some("a")).is_err_and(|it| it.contains("no durable")));
    }
}
