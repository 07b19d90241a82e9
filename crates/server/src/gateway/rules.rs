//! Whether the gateway's rules let a frame through, by what the broker behind will take its names for.

use stompbox_proto::{FrameRef, server::Event};

use super::{config::UpstreamKind, kind, mail::Failure};
use crate::{
    acl::{Access, Guard},
    requests::named_by_headers,
};

/// Who asks, and of which broker.
pub(crate) struct Rules<'a> {
    pub(crate) guard: &'a mut Guard,
    pub(crate) kind: UpstreamKind,
    pub(crate) user: &'a str,
}

impl Rules<'_> {
    /// Whether a frame may go on.
    ///
    /// # Errors
    ///
    /// A rule forbids it, or nobody can say what the broker will take it for.
    pub(crate) fn permit(&mut self, event: &Event<'_>) -> Result<(), Box<Failure>> {
        if self.guard.is_open() {
            return Ok(());
        }
        let (allowed, receipt) = match event {
            Event::Send {
                destination,
                receipt,
                frame,
                ..
            } => (
                self.may(Access::Write, destination)
                    .and_then(|()| self.may_name(frame, destination)),
                receipt,
            ),
            Event::Subscribe {
                destination,
                receipt,
                frame,
                ..
            } => (
                self.may(Access::Read, destination)
                    .and_then(|()| self.may_name(frame, destination)),
                receipt,
            ),
            Event::Unsubscribe { frame, receipt, .. } => (self.may_name(frame, ""), receipt),
            _ => return Ok(()),
        };
        allowed.map_err(|why| Box::new(Failure::denied(&why, receipt.as_deref().map(Into::into))))
    }

    fn may(&mut self, access: Access, destination: &str) -> Result<(), String> {
        let names = kind::rule_names(self.kind, destination, self.user).map_err(|why| {
            let name: String = destination.chars().take(80).collect();
            format!("destination {name:?} {why}")
        })?;
        for name in names {
            self.guard
                .may(access, &name)
                .map_err(|denied| denied.to_string())?;
        }
        Ok(())
    }

    /// What a frame names otherwise than by its destination.
    fn may_name(&mut self, frame: &FrameRef<'_>, destination: &str) -> Result<(), String> {
        for (access, name) in named_by_headers(frame, destination) {
            self.may(access, &name)?;
        }
        Ok(())
    }
}
