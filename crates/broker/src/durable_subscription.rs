//! Durable subscriptions: whose they are, and how they begin and end.

use std::{borrow::Cow, sync::Arc};

use crate::{
    Broker, BrokerDialect, BrokerError,
    destination::cut,
    dialect::subscribe::SubscribeHeaders,
    durable::Definition,
    pattern::Pattern,
    queue::{Life, QueueKey},
    topic::{Binding, TopicKey},
};

impl Broker {
    /// A durable subscription's queue, bound to its topic.
    pub(crate) fn bind(
        &mut self,
        name: &str,
        topic: &str,
        pattern: Option<Pattern>,
        headers: &SubscribeHeaders,
        selector: Option<Arc<crate::selector::Selector>>,
    ) -> Result<QueueKey, BrokerError> {
        let text = selector.as_ref().map(|selector| selector.text().into());
        if let Some(queue) = self.queue_names.get(name).copied() {
            let same = self.durable.definition(name).is_some_and(|definition| {
                &*definition.topic == topic && definition.selector == text
            });
            if same {
                return Ok(queue);
            }
        }
        // Nothing of the old one ends for a new one that can't be.
        self.check_room()?;
        if let Some(queue) = self.queue_names.get(name).copied() {
            // JMS: another topic or selector makes it another subscription.
            if !self.queues[queue].consumers.is_empty() {
                let name = cut(name);
                let reason = "is in use, with another topic or selector";
                return Err(BrokerError::DurableSubscription { name, reason });
            }
            if self.durable.definition(name).is_some() {
                self.remove_durable(name)?;
            }
        }
        let queue =
            self.declare_queue(name, (!headers.queue.is_empty()).then_some(&headers.queue))?;
        self.queues[queue].life = Life::Subscription;
        let binding = Binding { queue, selector };
        // Topics that come later look for the definition.
        for (_, it) in &mut self.topics {
            let matches = match &pattern {
                Some(pattern) => pattern.matches(&it.key),
                None => *it.key == *topic,
            };
            if matches {
                it.bindings.push(binding.clone());
            }
        }
        let definition = Definition {
            topic: topic.into(),
            selector: text,
        };
        self.define_durable(name, definition, binding);
        Ok(queue)
    }

    /// Ends a durable subscription, with all that it kept. False: there is none.
    pub(crate) fn remove_durable(&mut self, name: &str) -> Result<bool, BrokerError> {
        let Some(queue) = self.queue_names.get(name).copied() else {
            return Ok(false);
        };
        // `x-queue-name` may name any queue.
        if self.durable.definition(name).is_none() {
            return Ok(false);
        }
        if !self.queues[queue].consumers.is_empty() {
            let reason = "is in use on another connection";
            return Err(BrokerError::DurableSubscription {
                name: cut(name),
                reason,
            });
        }
        self.undefine_durable(name);
        let topics: Vec<TopicKey> = self.topics.iter().map(|(topic, _)| topic).collect();
        for topic in topics {
            self.topics[topic]
                .bindings
                .retain(|binding| binding.queue != queue);
            self.forget_unused_topic(topic);
        }
        self.delete_queue(queue);
        Ok(true)
    }
}

/// The name of the queue of a durable subscription, if the headers ask for one.
pub(crate) fn durable_key(
    headers: &SubscribeHeaders,
    id: &str,
    identity: &crate::Identity,
    dialect: BrokerDialect,
) -> Option<Box<str>> {
    let named = |name: &str| own_durable(identity, name).into();
    if let Some(queue) = &headers.queue_name
        && (headers.durable || headers.durable_name.is_some())
    {
        return Some(format!("/queue/{queue}").into());
    }
    if let Some(name) = &headers.durable_name {
        return Some(named(name));
    }
    if !headers.durable {
        return None;
    }
    Some(match dialect {
        BrokerDialect::Apollo if !identity.proven => format!("/dsub/{id}").into(),
        _ => named(id),
    })
}

/// The name of a client's own durable subscription: `/dsub/OWNER.NAME`. A proved login is its owner,
/// whatever client-id goes with it; otherwise there is only what the client says of itself. No
/// other owner and name together have the same.
pub(crate) fn own_durable(identity: &crate::Identity, name: &str) -> String {
    let client = owner_part(&identity.client_id);
    let login = owner_part(&identity.login);
    match (identity.proven, &*client, &*login) {
        (true, "", login) => format!("/dsub/{login}.{name}"),
        (true, client, login) => format!("/dsub/{login}/{client}.{name}"),
        (false, "", "") if name.contains('.') => format!("/dsub/.{name}"),
        (false, "", "") => format!("/dsub/{name}"),
        (false, "", owner) | (false, owner, _) => format!("/dsub/{owner}.{name}"),
    }
}

/// Whether the name behind `/dsub/` is of one of this login's.
pub(crate) fn is_own(identity: &crate::Identity, name: &str) -> bool {
    let login = owner_part(&identity.login);
    name.strip_prefix(&*login)
        .is_some_and(|rest| rest.starts_with(['.', '/']))
}

/// An owner without the characters that end one.
fn owner_part(owner: &str) -> Cow<'_, str> {
    if !owner.contains(['.', '/', '%', '\n', '\r']) {
        return owner.into();
    }
    let mut part = String::new();
    for c in owner.chars() {
        match c {
            '.' | '/' | '%' | '\n' | '\r' => part.push_str(&format!("%{:02X}", u32::from(c))),
            c => part.push(c),
        }
    }
    part.into()
}
