//! Secrets in diffs, in texts whose lines were joined, and in sentences. `¤` is the secret.

/// Of each line, nothing of the secret may stay.
pub const REVIEWED: &[&str] = &[
    // Diffs.
    "@@ -1 +1 @@\n+        - name: DB_PASSWORD\n+          value: ¤",
    "@@ -1 +1 @@\n         - name: DB_PASSWORD\n-          value: ¤\n+          valueFrom: x",
    "@@ -1 +1 @@\n+        - name: \"DB_PASSWORD\"\n+          value: '¤'",
    "@@ -1 +1 @@\n   password: |\n-    ¤\n+    a¤",
    "+  password: >-\n+    ¤",
    "+password:\n+  ¤",
    "-password:\n-  ¤",
    "+ args:\n+ - --db-password\n+ - ¤",
    "args:\n- --password\n- \"¤\"",
    "+variable \"db_password\" {\n+  default = \"¤\"\n+}",
    "variable \"db_password\" {\n  type = string\n  default = \"¤\"\n}",
    "+INSERT INTO users (name,password) VALUES ('a','¤')",
    "insert into `users` (`id`, `password`) values (1, 'x'), (2, N'¤');",
    "+  password: <%= ENV['X'] || '¤' %>",
    "ENV['DB_PASSWORD'] || '¤'",
    "process.env.DB_PASSWORD ?? \"¤\"",
    "+kind: Secret\n+stringData:\n+  a: ¤",
    r#"{"msg":"- name: DB_PASSWORD\n  value: ¤"}"#,
    r#"{"diff":"@@ -1 +1 @@\n+  password: |\n+    ¤\n"}"#,
    r#"{"msg":"password:\n    ¤"}"#,
    r#"{"msg": "password: >-\n  ¤\nuser: bo"}"#,
    // Lines that were joined.
    "+ - name: DB_PASSWORD + value: ¤",
    "- name: DB_PASSWORD -   value: ¤ +   valueFrom: x",
    "rate: - name: DB_PASSWORD   value: ¤",
    "args: - --db-password - ¤",
    "+ args: + - --db-password + - ¤",
    "rate: password: >- ¤",
    "+  password: | +    ¤",
    "+password: +  ¤",
    "kind: Secret stringData:   value: ¤",
    // More than one command in a line.
    "htpasswd -b f admin ¤ to htpasswd -b f admin ¤",
    "rabbitmqctl add_user bob ¤ to rabbitmqctl add_user bob ¤",
    "htpasswd -b f admin ¤ to rabbitmqctl add_user bob ¤",
    "echo 'bob:¤' | chpasswd to echo 'bob:¤' | chpasswd",
    "echo ¤ | docker login --password-stdin to echo ¤ | docker login --password-stdin",
    // Commands and files.
    "masterauth ¤",
    "AUTH ¤",
    "AUTH default ¤",
    "\"AUTH\" \"¤\"",
    "AUTH ¤ to AUTH ¤",
    "AUTH PLAIN AFRyMHViNGRvcgBUcjB1YjRkb3I=¤",
    "userPassword:: VHIwdWI0ZG9y",
    "pgpass has db:5432:shop:app:¤ now",
    "radius-server key ¤",
    "radius-server host 10.0.0.1 key ¤",
    "switch: snmp-server community ¤",
    "net use \\\\srv /user:a ¤",
    "net use Z: \\\\srv\\x /user:a ¤",
    "PAGERDUTY routing_key 70cd7312ec66fb4c¤",
    "chpasswd <<< 'bob:¤'",
    "fly secrets set DB=¤",
    "fly secrets set A=x DB=¤",
    "heroku config:set X=¤",
    "ssh-keygen -N '¤' -f k",
    "mot de passe: ¤",
    // Sentences.
    "password changed from ¤ to a¤",
    "password changed from '¤' to '¤'",
    "password mismatch: expected ¤",
    "password mismatch: expected ¤, got a¤",
    "DB_PASSWORD is now '¤'",
    "your one-time password is ¤",
    "credentials (admin / ¤)",
    "credentials: bob:¤",
    "basic auth bob:¤",
    "A temporary password is generated for root@localhost: ¤",
    "Unseal Key 1: ¤",
    "token: SecretID: ¤",
    "card 4111111111111111, cvv=¤",
];

#[test]
fn no_secret_of_letters_alone_stays_where_it_is_told() {
    for shape in ["masterauth ¤", "DB_PASSWORD is now ¤", "AUTH ¤", "credentials (admin / ¤)", "Secret: ¤"]
    {
        let masked = crate::redact::redact(&shape.replace('¤', "fKzQxWmAjRtB")).into_owned();
        assert!(!masked.contains("fKz"), "{masked}");
    }
    super::check("your one-time password is Bvodrumbsl.", "your one-time password is [redacted]");
}

#[test]
fn what_is_written_in_hex_is_read() {
    super::check("env 70617373776f72643d547230756234646f72 end", "env [redacted] end");
    super::check(
        "hash 68656c6c6f20776f726c642c20686f772061726520796f75",
        "hash 68656c6c6f20776f726c642c20686f772061726520796f75",
    );
}

#[test]
fn numbers_of_cards_are_masked_and_others_stay() {
    for (text, expected) in [
        ("card 4111111111111111 declined", "card [redacted] declined"),
        ("card=4111 1111 1111 1111, cvv: 837", "card=[redacted], cvv: [redacted]"),
        ("378282246310005", "[redacted]"),
        ("order 4111111111111112", "order 4111111111111112"),
        ("at=1764550400000000005", "at=1764550400000000005"),
        ("0.4111111111111111", "0.4111111111111111"),
        ("a4111111111111111", "a4111111111111111"),
    ] {
        super::check(text, expected);
    }
}

#[test]
fn what_shows_how_it_goes_without_a_secret_stays() {
    for text in [
        "credential=workload-identity",
        "credentials: managed-identity",
        "+  - name: LOG_LEVEL\n+    value: debug",
        "+  - name: DB_PASSWORD\n+    valueFrom:\n+      secretKeyRef:\n+        name: db\n",
        "INSERT INTO orders (id, state) VALUES (1, 'paid')",
        "variable \"db_password\" {\n  description = \"of the database\"\n  sensitive = true\n}",
        "AUTH failed for default",
        "routing_key orders.created.v2",
        "radius-server timeout key missing",
        "- password\n- token\n",
        "basic auth failed: timeout",
        "net use failed: no such share",
        "password changed from default to custom",
        "password mismatch: expected a longer one",
    ] {
        super::check(text, text);
    }
}
