#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/response.hpp"

namespace pebbles::http {

/// Which web pages of other origins may read answers (the Fetch standard, section 3.2). Never with credentials: tokens
/// come in a header that a page has to set itself, so no browser adds one on its own.
class CorsPolicy {
 public:
  /// Every origin.
  CorsPolicy() = default;
  /// `*`, `none`, or origins (`https://app.example.com:8443`) with commas between them. Nullopt for anything else.
  [[nodiscard]] static std::optional<CorsPolicy> parse(std::string_view text);

  /// Adds what a browser needs to hand the answer to a page of that origin, if it may. `origin` is the request's
  /// `Origin`, "" when there is none.
  void allow(Response& response, std::string_view origin) const;
  /// The same for the answer to a preflight, which asks before the request itself; `methods` are those of its path.
  void allow_preflight(Response& response, std::string_view origin, std::string_view methods) const;

 private:
  [[nodiscard]] bool allows(std::string_view origin) const;
  bool any_ = true;
  std::vector<std::string> origins_;
};

}  // namespace pebbles::http
