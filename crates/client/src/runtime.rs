//! What differs between tokio and a browser: tasks, time, and whether a future may change threads.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

#[cfg(not(target_arch = "wasm32"))]
mod host {
    use std::{future::Future, pin::Pin, time::Duration};

    pub(crate) use std::time::Instant;

    pub(crate) use tokio::time::{Sleep, sleep};

    /// A boxed future that may change threads.
    pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

    /// `Send`, where there are threads.
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}

    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    pub(crate) fn longest() -> Duration {
        // tokio's own idea of far away.
        Duration::from_secs(86_400 * 365 * 30)
    }
}

#[cfg(target_arch = "wasm32")]
mod host {
    use std::{
        future::Future,
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    pub(crate) use web_time::Instant;

    /// A boxed future; a page has one thread.
    pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

    /// `Send`, where there are threads.
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}

    pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
        wasm_bindgen_futures::spawn_local(task);
    }

    /// A timer of the page.
    pub(crate) struct Sleep(gloo_timers::future::TimeoutFuture);

    impl Future for Sleep {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            Pin::new(&mut self.0).poll(cx)
        }
    }

    pub(crate) fn sleep(time: Duration) -> Sleep {
        let time = time.min(longest());
        Sleep(gloo_timers::future::TimeoutFuture::new(
            u32::try_from(time.as_millis()).unwrap_or(u32::MAX),
        ))
    }

    /// `setTimeout` takes 31 bits of milliseconds.
    pub(crate) fn longest() -> Duration {
        Duration::from_millis(i32::MAX as u64)
    }
}

pub use host::MaybeSend;
pub(crate) use host::{BoxFuture, Instant, Sleep, sleep, spawn};

/// The future did not end in time.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// Gives a future that much time.
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    // What is there already needs no timer.
    if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        return Ok(output);
    }
    if limit >= host::longest() {
        return Ok(future.await);
    }
    tokio::select! {
        biased;
        output = future => Ok(output),
        () = sleep(limit) => Err(Elapsed),
    }
}
