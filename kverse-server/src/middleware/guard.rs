//! Lets only those requests through to the routes that are entitled to it.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use futures_util::future::{Either, LocalBoxFuture};

use crate::access::{Access, refuse_in_url};

/// Lets only those requests through that are entitled to it, and costs next to nothing if everyone is.
#[derive(Debug)]
pub(crate) struct Guard {
    access: Arc<Access>,
}

impl Guard {
    pub(crate) fn new(access: Arc<Access>) -> Self {
        Self { access }
    }
}

impl<S> Transform<S, ServiceRequest> for Guard
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = GuardService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(GuardService {
            service: Rc::new(service),
            access: Arc::clone(&self.access),
        }))
    }
}

#[derive(Debug)]
pub(crate) struct GuardService<S> {
    service: Rc<S>,
    access: Arc<Access>,
}

impl<S> Service<ServiceRequest> for GuardService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Either<S::Future, LocalBoxFuture<'static, Result<ServiceResponse, Error>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if let Err(failure) = refuse_in_url(request.uri()) {
            return Either::Right(Box::pin(ready(Ok(request.error_response(failure)))));
        }
        if self.access.is_open() {
            return Either::Left(self.service.call(request));
        }
        let (service, access) = (Rc::clone(&self.service), Arc::clone(&self.access));
        Either::Right(Box::pin(async move {
            match access.admit(&request).await {
                Ok(()) => service.call(request).await,
                Err(failure) => Ok(request.error_response(failure)),
            }
        }))
    }
}
