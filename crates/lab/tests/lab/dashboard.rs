//! The dashboard as a browser uses it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use midwatch_lab::client::{Answer, build};

use super::harness::Lab;

struct Browser<'a> {
    lab: &'a Lab,
    cookie: String,
}

impl Browser<'_> {
    async fn send(&self, method: Method, path: &str, form: &str) -> Answer {
        let headers =
            [("cookie", self.cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let body = Body::from(form.to_owned());
        let request = build(method, &format!("{}{path}", self.lab.url), &headers, body).expect("a request");
        self.lab.client.send(request, Duration::from_secs(20)).await.expect("an answer")
    }
}

#[tokio::test]
async fn the_dashboard_asks_for_the_password_and_for_its_own_forms() {
    let lab = Lab::start(5).await;
    let mut browser = Browser { lab: &lab, cookie: String::new() };
    let outside = browser.send(Method::GET, "/", "").await;
    assert_eq!(outside.status, StatusCode::SEE_OTHER);
    assert!(
        outside.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text")
            .contains("default-src 'none'")
    );
    let wrong = browser.send(Method::POST, "/login", "user=ops&password=wrong").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let right = browser.send(Method::POST, "/login", "user=ops&password=correct+horse").await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    let cookie = right.headers[header::SET_COOKIE].to_str().expect("text").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    browser.cookie = cookie.split(';').next().expect("a cookie").to_owned();

    let home = browser.send(Method::GET, "/", "").await.text();
    assert!(home.contains("data-testid=\"service-payment-service\""), "{home}");
    let page = "/services/payment-service?tab=deployments";
    let deployments = browser.send(Method::GET, page, "").await.text();
    assert!(deployments.contains("data-testid=\"rollback-v2.14.0\""), "{deployments}");
    let csrf = deployments.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let csrf = csrf.expect("a token").to_owned();

    let forged =
        browser.send(Method::POST, "/services/payment-service/rollback", "csrf=guess&to=v2.14.0").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(lab.service("payment-service").await["version"], "v2.14.1");
    let form = format!("csrf={csrf}&to=v2.14.0");
    let rolled = browser.send(Method::POST, "/services/payment-service/rollback", &form).await;
    assert_eq!(rolled.status, StatusCode::SEE_OTHER, "{}", rolled.text());
    assert_eq!(lab.service("payment-service").await["version"], "v2.14.0");
    let changes = lab.get("/api/v1/control/changes").await;
    assert_eq!(changes["changes"][0]["by"], "ops");
    for tab in ["overview", "instances", "scaling"] {
        let shown = browser.send(Method::GET, &format!("/services/payment-service?tab={tab}"), "").await;
        assert_eq!(shown.status, StatusCode::OK);
    }
    for _ in 0..5 {
        browser.send(Method::POST, "/login", "user=ops&password=wrong").await;
    }
    let throttled = browser.send(Method::POST, "/login", "user=ops&password=correct+horse").await;
    assert_eq!(throttled.status, StatusCode::TOO_MANY_REQUESTS);
    browser.send(Method::POST, "/logout", &format!("csrf={csrf}")).await;
    assert_eq!(browser.send(Method::GET, "/", "").await.status, StatusCode::SEE_OTHER);
}
