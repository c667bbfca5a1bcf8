#pragma once
#include <string>
#include <string_view>

namespace pebbles {

/// `text` without what may be a secret in it: texts of libraries and clients get into the log, and some of them repeat
/// what they were given. Masked are the password and the name before it in `scheme://name:password@host`, whatever
/// follows `Bearer` or `Basic`, JSON Web Tokens, and the values of parameters and members that are named like secrets
/// (`access_token=…`, `"password":"…"`). A net below code that does not log secrets in the first place.
[[nodiscard]] std::string redacted(std::string_view text);

}  // namespace pebbles
