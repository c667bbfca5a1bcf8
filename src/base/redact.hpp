#pragma once
#include <string>
#include <string_view>

namespace pebbles {

/// `text` without what may be a secret in it: texts of libraries and clients get into the log, and some of them repeat
/// what they were given. Masked are the password and the name before it in `scheme://name:password@host`, whatever
/// follows `Bearer` or `Basic`, JSON Web Tokens, and the values of parameters and members that are named like secrets
/// (`access_token=…`, `"password":"…"`). A net below code that does not log secrets in the first place. Sentences stay
/// as they are: in `name: value` the name has to end like that of a secret.
[[nodiscard]] std::string redacted(std::string_view text);

/// Whether a URL has a password before its host, or a parameter that is named like a secret. A user's name alone is no
/// secret.
[[nodiscard]] bool holds_secret(std::string_view url);

}  // namespace pebbles
