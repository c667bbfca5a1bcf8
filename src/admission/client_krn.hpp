#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "domain/values.hpp"

namespace pebbles::admission {

/// No client's name is longer, whatever the pattern says: it is part of every key in the store.
inline constexpr std::size_t client_krn_bytes_max = 1024;

/// Judges client names by one pattern (CLIENT_KRN_PATTERN), the same for paths and messages.
/// Threads: any (RE2 takes a lock for a moment). The match is linear in the name's length.
class ClientKrnRule {
 public:
  /// `krn:` and 1 to 252 characters (code points), none of them white space (Unicode's Z and, among the controls, tab
  /// to return and U+0085), a control character (C0, DEL, C1) or `/`.
  static constexpr std::string_view default_pattern = R"(krn:[^\p{Z}\p{Cc}/]{1,252})";

  /// Errors: invalid_argument with what is wrong with the pattern (RE2 syntax; it must match the whole name).
  [[nodiscard]] static Result<ClientKrnRule> compile(std::string_view pattern);
  ClientKrnRule(ClientKrnRule&&) noexcept;
  ClientKrnRule& operator=(ClientKrnRule&&) noexcept;
  ~ClientKrnRule();

  /// Names that are not valid UTF-8, or longer than `client_krn_bytes_max`, match no pattern.
  [[nodiscard]] bool accepts(std::string_view name) const;

 private:
  struct Compiled;
  explicit ClientKrnRule(std::unique_ptr<const Compiled> compiled);
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace pebbles::admission
