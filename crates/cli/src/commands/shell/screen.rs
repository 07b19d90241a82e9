//! Where the prompt's answers and the messages go.

use std::{
    io::{IsTerminal as _, Write as _, stderr, stdout},
    sync::{Arc, Mutex, PoisonError},
};

use stompbox::Message;
use tokio::sync::mpsc;

use crate::{
    args::Output,
    exit::Failure,
    frames::{printable, printable_lines},
    render::Printer,
};

/// Standard output, alone or with a prompt on it.
#[derive(Clone)]
pub(super) struct Screen {
    /// Prints above the line that is being typed; `None`: a script runs.
    above: Option<mpsc::Sender<String>>,
    /// `None`: all that is in a message.
    printer: Option<Arc<Mutex<Printer>>>,
}

impl Screen {
    /// For a prompt, above which is printed what is sent to `above`; for a script without it.
    pub(super) fn new(
        above: Option<mpsc::Sender<String>>,
        output: Option<Output>,
    ) -> Result<Self, Failure> {
        let printer = output.map(|output| Printer::new(output, None, false));
        let printer = printer.transpose()?.map(|it| Arc::new(Mutex::new(it)));
        Ok(Self { above, printer })
    }

    /// Whether somebody sits there.
    pub(super) fn is_prompt(&self) -> bool {
        self.above.is_some()
    }

    /// Prints what a verb was asked for.
    pub(super) fn answer(&self, text: &str) -> Result<(), Failure> {
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Tells a person that something was done. A script knows.
    pub(super) fn done(&self, text: &str) -> Result<(), Failure> {
        match self.above {
            Some(_) => self.answer(&format!("{text}\n")),
            None => Ok(()),
        }
    }

    /// Tells what happens by itself.
    pub(super) async fn event(&self, text: &str) {
        let text = format!("-- {}\n", printable(text));
        match &self.above {
            // It ends with the prompt.
            Some(above) => drop(above.send(text).await),
            None => drop(stderr().write_all(text.as_bytes())),
        }
    }

    /// Prints a message that came.
    pub(super) async fn message(&self, message: &Message) -> Result<(), Failure> {
        match &self.above {
            Some(above) => {
                let text = String::from_utf8_lossy(&self.render(message)?).into_owned();
                drop(above.send(printable_lines(&text)).await);
                Ok(())
            }
            None => self.reply(message),
        }
    }

    /// Prints a message for which a verb waited.
    pub(super) fn reply(&self, message: &Message) -> Result<(), Failure> {
        let mut text = self.render(message)?;
        if stdout().is_terminal() {
            text = printable_lines(&String::from_utf8_lossy(&text)).into_bytes();
        }
        let mut out = stdout().lock();
        out.write_all(&text)?;
        Ok(out.flush()?)
    }

    fn render(&self, message: &Message) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        if let Some(printer) = &self.printer {
            let mut printer = printer.lock().unwrap_or_else(PoisonError::into_inner);
            printer.print(&mut text, message)?;
            return Ok(text);
        }
        writeln!(text, "MESSAGE")?;
        for (name, value) in message.headers() {
            writeln!(text, "{name}:{value}")?;
        }
        writeln!(text)?;
        text.extend_from_slice(message.body());
        text.push(b'\n');
        Ok(text)
    }
}
