//! Cross-origin requests, by the rules of `actix-cors`; requests without an `Origin` take a short cut around it.

use std::rc::Rc;

use actix_cors::CorsMiddleware;
use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::{Method, header};
use futures_util::future::{Either, LocalBoxFuture};

/// Lets web pages of the allowed origins call the API and see what its headers say.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: Vec<String>,
}

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Self {
        let origins = origins.iter().filter(|origin| !origin.is_empty());
        Self {
            origins: origins.cloned().collect(),
        }
    }

    fn rules(&self) -> actix_cors::Cors {
        let cors = actix_cors::Cors::default()
            .allowed_methods([
                Method::GET,
                Method::HEAD,
                Method::PUT,
                Method::POST,
                Method::PATCH,
                Method::DELETE,
            ])
            .allowed_headers([
                header::ACCEPT,
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
                header::IF_NONE_MATCH,
            ])
            .allowed_headers(["Idempotency-Key", "Last-Event-ID", "X-Request-Id"])
            .expose_headers([
                "ETag",
                "KVerse-Cache",
                "KVerse-Expires-At",
                "Retry-After",
                "WWW-Authenticate",
                "X-Request-Id",
            ])
            .max_age(3600);
        self.origins
            .iter()
            .fold(cors, |cors, origin| cors.allowed_origin(origin))
    }
}

type Answer = Result<ServiceResponse, Error>;

impl<S> Transform<S, ServiceRequest> for Cors
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = CorsService<S>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let plain = Rc::new(service);
        let with_cors = self.rules().new_transform(Rc::clone(&plain));
        Box::pin(async move {
            Ok(CorsService {
                with_cors: with_cors.await?,
                plain,
            })
        })
    }
}

pub(crate) struct CorsService<S> {
    plain: Rc<S>,
    with_cors: CorsMiddleware<Rc<S>>,
}

impl<S> Service<ServiceRequest> for CorsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Either<S::Future, LocalBoxFuture<'static, Answer>>;

    forward_ready!(plain);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if !request.headers().contains_key(header::ORIGIN) {
            return Either::Left(self.plain.call(request));
        }
        let answer = self.with_cors.call(request);
        Either::Right(Box::pin(
            async move { Ok(answer.await?.map_into_boxed_body()) },
        ))
    }
}
