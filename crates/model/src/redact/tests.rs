//! What is masked and what stays: two lists, and what holds for both.

use super::*;

mod work;

/// What stands for a secret in the list.
const X: &str = "Tr0ub4dor";

fn check(text: &str, expected: &str) {
    assert_eq!(redact(text), expected, "of {text}");
    assert_eq!(redact(expected), expected, "a second time");
}

/// Everyday places of secrets: `¤` is the secret.
const SECRETS: &[&str] = &[
    // Assignments.
    "DB_PASS=¤",
    "PASS=¤",
    "pass: ¤",
    "passwd ¤",
    "PGPASSWORD=¤ psql -h db",
    "export MYSQL_PWD=¤",
    "password = ¤",
    "password := \"¤\"",
    "user=app,password=¤,host=db",
    "user=app;Password=¤;Host=db",
    "password=¤&user=bo",
    "password=a,b;c¤d next",
    "ENV SECRET_KEY ¤",
    "SECRET_KEY_BASE=¤",
    "aws_secret_access_key ¤",
    "aws_secret_access_key = ¤",
    "[default]\naws_access_key_id ¤\naws_secret_access_key ¤",
    "requirepass ¤",
    "spring.datasource.password=¤",
    "JAVA_OPTS=-Djavax.net.ssl.keyStorePassword=¤ -Xmx1g",
    "keytool -storepass ¤ -list",
    "$db_password = '¤';",
    "'password' => '¤',",
    ":password => \"¤\"",
    "password: Some(\"¤\")",
    "b'password': b'¤'",
    "define('DB_PASSWORD', '¤');",
    "os.Setenv(\"API_KEY\", \"¤\")",
    "{default_pass, <<\"¤\">>}",
    "API key: ¤",
    "Session ID: ¤",
    "the password is ¤",
    "password set to ¤.",
    "пароль: ¤",
    "password=\"¤",
    "password='¤",
    "password=\"a\\\"¤\"",
    "password='a''¤'",
    "DB_PASSWORD=¤\\n",
    "DB_PASSWORD=${DB_PASSWORD:-¤}",
    // JSON and what is like it.
    r#"{"password":"¤"}"#,
    r#"{"password":{"value":"¤"}}"#,
    r#"{"password": {"enc": false, "value": "¤"}}"#,
    r#"{"passwords":["¤","a¤"]}"#,
    r#"{"msg":"{\"password\":\"¤\"}"}"#,
    r#"{"msg":"{\\\"password\\\":\\\"¤\\\"}"}"#,
    r#"{"msg":"password=¤","level":"info"}"#,
    r#"{"msg":"{\"password\":\"¤"#,
    r#"{"name":"DB_PASSWORD","value":"¤"}"#,
    "{\"Env\":[\"DB_PASSWORD=¤\",\"A=b\"]}",
    "{'token': '¤'}",
    "{\n  \"client_secret\":\n    \"¤\"\n}",
    "password&quot;:&quot;¤&quot;",
    r#"{\u0022password\u0022:\u0022¤\u0022}"#,
    r"token=¤\u0026user=1",
    r#"{"auths":{"registry":{"auth":"YWRtaW46VHIwdWI0ZG9y"}}}"#,
    // XML.
    "<password>¤</password>",
    "<wsse:Password Type=\"text\">¤</wsse:Password>",
    "<add key=\"Password\" value=\"¤\"/>",
    "<property name=\"db.password\" value=\"¤\"/>",
    "<entry key=\"db.password\">¤</entry>",
    "&lt;password&gt;¤&lt;/password&gt;",
    // YAML.
    "password: |\n  ¤",
    "password: >-\n  ¤\nuser: bo",
    "db:\n  password:\n    ¤\n  user: bo",
    "stringData:\n  a: ¤\n  b: |\n    ¤\n    more\nkind: x",
    "kind: Secret\ndata:\n  a: VHIwdWI0ZG9y",
    r#"{"kind":"Secret","data":{"a":"VHIwdWI0ZG9y"}}"#,
    "- name: DB_PASSWORD\n  value: ¤",
    "password: !vault |\n  ¤",
    // Addresses.
    "postgres://u:¤@h/db",
    "postgres://u:a@¤@h/db",
    "postgres://u:a/¤@h/db",
    "redis://:¤@h",
    "mongodb://u:¤@h:27017,h2:27017/db",
    "amqp://u:¤@h1,amqp://u:¤@h2",
    "https://¤¤¤@github.com/x",
    "postgres%3A%2F%2Fu%3A¤%40h%2Fdb",
    r"postgres:\/\/u:¤@h\/db",
    "root:¤@tcp(db:3306)/shop",
    "dsn=\"root:¤@tcp(db:3306)/shop\"",
    "app:¤@db:5432/shop",
    "jdbc:oracle:thin:scott/¤@h:1521/x",
    "jdbc:postgresql://h/db?user=u&password=¤",
    "GET /x?sig=a1b2c3d4e5¤%2Bx&se=1",
    "GET /x?token=¤&a=1",
    "https://s3/x?X-Amz-Expires=60&X-Amz-Signature=a1b2c3d4e5¤",
    "password%3D¤%26user%3Dbo",
    "%7B%22password%22%3A%22¤%22%7D",
    "redirect=https%3A%2F%2Fx%3Ftoken%3D¤%26a%3D1",
    "db:5432:shop:app:¤",
    // Headers.
    "Authorization: Basic YWRtaW46VHIwdWI0ZG9y",
    "Proxy-Authorization: Basic YTpi",
    "authorization: ¤",
    "Authorization: Bearer ¤",
    "Authorization: Token ¤",
    "Authorization: Digest username=\"u\", response=\"¤\"",
    "curl -H 'Authorization: Bearer ¤' https://h",
    "\"Authorization\": \"Bearer ¤\"",
    "{'Authorization': ['Bearer ¤']}",
    "map[Authorization:[Bearer ¤] Accept:[*/*]]",
    "proxy_set_header Authorization \"Bearer ¤\";",
    "Cookie: a=¤; b=1",
    "Set-Cookie: sid=¤; HttpOnly",
    "X-Api-Key: ¤",
    "PRIVATE-TOKEN: ¤",
    "JSESSIONID=¤; path=/",
    "sent bearer ¤ to the api",
    // Connection strings.
    "Endpoint=sb://h/;SharedAccessKeyName=root;SharedAccessKey=¤=",
    "AccountName=shop;AccountKey=¤==;EndpointSuffix=x",
    "Server=h;User Id=u;Pwd=¤;",
    // Files.
    "machine h login u password ¤",
    "machine h\n  login u\n  password ¤",
    "//registry/:_authToken=¤",
    "_auth=YWRtaW46VHIwdWI0ZG9y",
    "root:$6$abcdefgh$0123456789012345678901234567890:1:2",
    // Commands.
    "mysql -u root -p¤ shop",
    "mysql -u root -p'¤ x' shop",
    "[\"mysql\",\"-u\",\"root\",\"-p¤\"]",
    "sshpass -p ¤ ssh h",
    "sshpass -p¤ ssh h",
    "curl -u admin:¤ https://h",
    "curl --user \"admin:¤\" https://h",
    "curl -s -uadmin:¤ https://h",
    "redis-cli -a ¤ ping",
    "app --password ¤ --host h",
    "app --db-password=¤",
    "[\"app\", \"--password\", \"¤\"]",
    "--api-key '¤'",
    "kubectl create secret generic s --from-literal=a=¤",
    "helm upgrade x --set db.password=¤",
    "ALTER USER app WITH PASSWORD '¤'",
    "CREATE USER app IDENTIFIED BY '¤'",
    "SET PASSWORD FOR 'app' = PASSWORD('¤')",
];

/// Keys as vendors shape them, made up here.
const SHAPED: &[&str] = &[
    "ghp_0123456789abcdefghij",
    "github_pat_0123456789abcdefghij",
    "glpat-0123456789abcdefghij",
    "xoxb-123456789012-abcdef",
    "sk-0123456789abcdefghij",
    "sk-ant-api03-0123456789ab",
    "sk_live_0123456789abcdef",
    "AKIA0123456789ABCDEF",
    "AIza0123456789abcdefghijABCDEFG",
    "hf_0123456789abcdefgh",
    "npm_0123456789abcdefghij",
    "dop_v1_0123456789abcdef0123456789abcdef",
    "SG.0123456789abcdef.0123456789abcdef",
    "ya29.0123456789abcdef",
    "hvs.0123456789abcdef",
    "https://hooks.slack.com/services/T000/B000/abcdefgh",
    "https://discord.com/api/webhooks/123456789/abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.abcdefgh",
];

const HARMLESS: &[&str] = &[
    "passed=12 failed=0",
    "tokens=532",
    "token=532",
    "max_tokens: 4096, 12 tokens used",
    "prompt_token_count: 53211",
    "password authentication failed for user \"x\"",
    "Failed password for root from 10.0.0.7 port 22",
    "token bucket empty",
    "token expired, not refreshed",
    "unexpected token: }",
    "invalid token: expired",
    "secret: not found",
    "error: password: permission denied",
    "pass rate 0.98",
    "bypass=true",
    "--- PASS: TestOrders (0.00s)",
    "cache_key=orders:12",
    "primary key: id",
    "partition_key=12",
    "routing key: orders.created",
    "key=value",
    "sort key: created_at",
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
    "image: registry/shop@sha256:4bf92f3577b34da6a3ce929d0e0e47364bf92f3577b34da6a3ce929d0e0e4736",
    "shop:v1.2@sha256:4bf92f3577b34da6a3ce929d0e0e47364bf92f3577b34da6a3ce929d0e0e4736",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b deployed",
    "payment-7d9f8b6c5-x2x9q.shop.svc.cluster.local:8080 refused",
    "http_requests_total{code=\"500\"} 12",
    "password_resets_total=12 token_refresh_seconds=0.5",
    "token_type=bearer secret_name: db-creds",
    "secret \"db-creds\" not found",
    "secret db-creds-v2 not found",
    "token-issuer-7d9f8b6c5-x2x9q: OOMKilled",
    "POSTGRES_PASSWORD_FILE=/run/secrets/db",
    "token.go:42: refused",
    "PWD=/app OLDPWD=/",
    "password=$DB_PASSWORD token=${TOKEN} key={{ .Values.key }}",
    "password=**** token=<redacted> secret=null",
    "password: string, token: Option",
    "https://host:8080/path?mail=a@b.example",
    "git clone ssh://git@github.com/x/y",
    "mailto:bob@shop.example to:eve@shop.example",
    "basic authentication required, bearer token missing",
    "send the API key as `Authorization: Bearer KEY`",
    "docker run -p 8080:80 shop",
    "mysql -u root -p shop",
    "curl -u admin https://h",
    "ssh -p 22 host",
    "session opened for user bo",
    "signature mismatch",
    "upstream payment-service timed out",
    "GET /api/v1/orders/2026/11/22/InvoiceDocument2026V2/Download/Original 200",
    "pod checkout-7d9f8b6c5-x2x9q: OOMKilled, exit code 137",
    "auth: ok, session opened",
    "io.grpc.netty.shaded.io.netty.channel.AbstractChannel$AnnotatedConnectException",
    "kind: ConfigMap\ndata:\n  level: debug",
    "2001:db8:0:1::1 answered",
    "main.go:12:5: undefined: x",
];

#[test]
fn no_everyday_secret_stays() {
    let stays: Vec<String> = SECRETS
        .iter()
        .map(|shape| (shape, redact(&shape.replace('¤', X)).into_owned()))
        .filter(|(_, masked)| masked.contains(X) || masked.contains("VHIwdWI") || !masked.contains(MASK))
        .map(|(shape, masked)| format!("{shape}   gives   {masked}"))
        .collect();
    assert!(stays.is_empty(), "{} of {}:\n{}", stays.len(), SECRETS.len(), stays.join("\n"));
}

#[test]
fn no_key_with_a_vendors_shape_stays() {
    for key in SHAPED {
        let masked = redact(&format!("using {key} now")).into_owned();
        assert!(masked.contains(MASK) && masked.ends_with(" now"), "{key} gives {masked}");
        assert!(!masked.contains("0123456789ab") && !masked.contains("abcdefgh"), "{key} gives {masked}");
    }
}

#[test]
fn what_is_no_secret_stays() {
    let changed: Vec<String> = HARMLESS
        .iter()
        .filter(|text| redact(text) != **text)
        .map(|text| format!("{text}   gives   {}", redact(text)))
        .collect();
    assert!(changed.is_empty(), "{} of {}:\n{}", changed.len(), HARMLESS.len(), changed.join("\n"));
}

#[test]
fn what_is_masked_is_masked_once() {
    for text in SECRETS.iter().map(|shape| shape.replace('¤', X)) {
        let once = redact(&text).into_owned();
        assert_eq!(redact(&once), once, "of {text}");
    }
}

#[test]
fn what_is_around_a_secret_stays() {
    for (text, expected) in [
        ("password=hunter22 user=bo", "password=[redacted] user=bo"),
        (r#"{"api_key": "abc123def", "a": 1}"#, r#"{"api_key": "[redacted]", "a": 1}"#),
        ("postgres://app:s3cret@db/x", "postgres://app:[redacted]@db/x"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer [redacted]"),
        ("AKIAABCDEFGHIJKLMNOP", "[redacted]"),
        ("the password is Tr0ub4dor", "the password is [redacted]"),
        ("--token abc123def run", "--token [redacted] run"),
        ("p\u{200b}assword=hunter22", "password=[redacted]"),
        ("Cookie: session=a1b2c3d4; x=1", "Cookie: [redacted]"),
        ("run `mysql -phunter22` on db", "run `mysql -p[redacted]` on db"),
        ("mysql -u root -phunter22 shop", "mysql -u root -p[redacted] shop"),
        (r#"{"msg":"{\"password\":\"x y\",\"a\":1}"}"#, r#"{"msg":"{\"password\":\"[redacted]\",\"a\":1}"}"#),
        ("a=1&token=abc&b=2", "a=1&token=[redacted]&b=2"),
        ("stringData:\n  a: x1\nkind: y", "stringData:\n  a: [redacted]\nkind: y"),
    ] {
        check(text, expected);
    }
}

#[test]
fn base64_is_opened_twice_deep() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let once = STANDARD.encode("password=hunter22 and more");
    let twice = STANDARD.encode(&once);
    for text in [once, twice] {
        check(&format!("body {text} end"), "body [redacted] end");
    }
    let harmless = STANDARD.encode("hello world, how are you");
    check(&format!("body {harmless} end"), &format!("body {harmless} end"));
}

#[test]
fn lines_that_split_a_secret_do_not_hide_it() {
    let token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let split = format!("token is {}\n   {} end", &token[..20], &token[20..]);
    let masked = redact(&split);
    assert!(!masked.contains("abcdefghij") && !masked.contains("xyz01"), "{masked}");
    assert!(masked.ends_with("end"), "{masked}");
}

/// Pieces of what is looked for, put together at random: nothing may panic, and nothing may be cut inside a letter.
#[test]
fn no_mixture_of_signs_is_too_much() {
    let pieces = [
        "password",
        "token",
        "=",
        ":",
        "\"",
        "\\\"",
        "'",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "  ",
        "é",
        "日",
        "%3D",
        "&quot;",
        "://",
        "@",
        "@tcp(",
        "<",
        ">",
        "</",
        "|",
        ",",
        "-p",
        "mysql ",
        "x1",
        "stringData:",
        "- ",
        "\\",
        "\\u0022",
        "Cookie",
        "Authorization",
        "Basic ",
        "value",
        "--",
        "(",
        "!a ",
        "Some(",
        "\r\n",
        "%",
        "&",
        ":\n",
        "kind: Secret\ndata:",
        "[redacted]",
        "\t",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        drop(redact(&text));
    }
}

#[test]
fn what_stands_under_the_name_of_a_secret_is_masked_whatever_it_looks_like() {
    for (name, text, expected) in [
        ("password", "correcthorse", "[redacted]"),
        ("db_token", "abc", "[redacted]"),
        ("summary", "password=abc", "password=[redacted]"),
        ("secret_name", "db-creds", "db-creds"),
        ("token", "", ""),
    ] {
        assert_eq!(redact_field(name, text), expected, "{name}");
    }
}

#[test]
fn no_control_character_holds_the_walk_up() {
    for control in (0_u8..32).chain([127]).map(char::from) {
        let text = format!("curl {control} -u bob:{X} https {control} page, docker login{control}-p {X}");
        let _ = super::redact(&text);
    }
}
