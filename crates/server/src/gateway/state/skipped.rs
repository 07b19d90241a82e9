//! A broker's message that is beyond the limits: its client is told, and nobody else.

use stompbox_proto::FrameRef;
use tracing::warn;

use super::{Ack, State, Target, Unacked};
use crate::gateway::mail::{Failure, Item};

impl State {
    /// A message was passed over. `frame`: what is known of it.
    pub(crate) fn skipped(&mut self, frame: &FrameRef<'_>, why: &str) {
        let id = frame.header("subscription").unwrap_or_default();
        let number = match self.is_own {
            true => self.names.get(&*id).copied(),
            false => id.parse().ok(),
        };
        let Some((number, subscription)) =
            number.and_then(|it| Some((it, self.subscriptions.get(&it)?)))
        else {
            // It goes back with what else came too late.
            return self.message(frame);
        };
        let destination = frame.header("destination").unwrap_or_default();
        let member = match &subscription.target {
            Target::Member { member, .. } => *member,
            Target::Topic(_) => {
                // Whoever else may send there would otherwise end them all.
                warn!(%destination, why, "a topic's message was passed over");
                return;
            }
        };
        let waits = subscription.ack != Ack::None;
        let number_of_delivery = self.number();
        let ack = self.ack_of(frame).map(Into::into);
        if let Some(own) = self.members.get_mut(&member).filter(|_| waits) {
            // What is not acknowledged goes back when the subscription ends.
            own.window.push_back(Unacked {
                number: number_of_delivery,
                subscription: number,
                message_id: frame.header("message-id").unwrap_or_default().into(),
                ack,
                transaction: None,
            });
        }
        let failure = Failure {
            message: "a message can't be passed on".into(),
            detail: format!(
                "A message of {destination:?} is beyond a limit of this gateway: {why}.\n"
            ),
            code: "message-too-long",
            retry: "never",
            receipt: None,
        };
        self.tell(Some(member), Item::Failure(Box::new(failure)));
    }
}
