//! Whether a connection's request is being answered: from when all of it has come until the last of the answer is out.
//!
//! Whoever closes connections goes by it: a request that is half-sent has been promised nothing.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::watch;

/// Says of one connection whether its request is being answered.
#[derive(Clone)]
pub(crate) struct Underway(watch::Sender<bool>);

impl Underway {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    pub(crate) fn begins(&self, request: Request) -> Request {
        self.0.send_replace(request.body().is_end_stream());
        let underway = self.clone();
        request.map(|body| Body::new(Coming { body, underway }))
    }

    pub(crate) fn answers(&self, response: Response) -> Response {
        // Also where the answer does not wait for the whole request.
        self.0.send_replace(true);
        let underway = self.clone();
        response.map(|body| Body::new(Going { body, underway }))
    }
}

/// The body of a request.
struct Coming {
    body: Body,
    underway: Underway,
}

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let is_last = match &frame {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if is_last {
            self.underway.0.send_replace(true);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. It is dropped once all of it was handed to the connection.
struct Going {
    body: Body,
    underway: Underway,
}

impl HttpBody for Going {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.underway.0.send_replace(false);
    }
}
