#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/result.hpp"

/// What Pebbles needs of Amazon Web Services: credentials, signed calls, endpoints. It knows no service by itself.
namespace pebbles::aws {

/// What signs a request. Secret but for the access key's id: never logged, never shown, so there is no way to print it.
struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token{};         ///< empty for keys that last
  std::optional<Timestamp> expires{};  ///< nullopt: not known, or never

  friend bool operator==(const Credentials&, const Credentials&) = default;
};

/// Where credentials come from. Threads: any.
class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;
  /// Credentials that are valid now. Usually at once; blocks for seconds while new ones are fetched, at most until
  /// `stop` is requested. Errors: forbidden, with what was tried and why it failed, or store_unavailable when whoever
  /// gives them does not answer; the next call after a pause tries again.
  [[nodiscard]] virtual Result<Credentials> get(const std::stop_token& stop) = 0;
  /// A service refused these: they are fetched again by the next `get`, unless that happened a moment ago.
  virtual void refused(const Credentials& credentials) = 0;
};

/// When credentials are fetched again.
struct RefreshOptions {
  std::chrono::milliseconds before_expiry{std::chrono::minutes{5}};
  std::chrono::milliseconds retry_min{std::chrono::seconds{1}};  ///< after a failure; grows, with jitter
  std::chrono::milliseconds retry_max{std::chrono::seconds{30}};
  std::chrono::milliseconds refused_pause{std::chrono::seconds{5}};  ///< between fetches that `refused` asks for
  std::uint64_t seed = std::random_device{}();                       ///< of the jitter; tests give one
};

/// The usual order of the SDKs: variables, web identity, the profile of the shared files, the container's endpoint, the
/// instance's metadata service (docs/aws-credentials.md). The first that is configured decides: its failure is not
/// covered by a later one. They are kept, and fetched again before they expire; when that fails the old ones serve as
/// long as they are valid. `region` is where web identities are exchanged. Asks nobody before the first `get`.
[[nodiscard]] std::shared_ptr<CredentialsProvider> default_credentials(Environment environment, std::string region,
                                                                       RefreshOptions options = {});

}  // namespace pebbles::aws
