#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "aws/backoff.hpp"
#include "aws/credentials.hpp"
#include "aws/credentials_sources.hpp"

namespace pebbles::aws {

/// Keeps credentials, and fetches them again before they expire or after a service refused them. One caller fetches, in
/// its own thread; meanwhile others have the old ones while those are valid, else they wait.
class CachedCredentials final : public CredentialsProvider {
 public:
  using Fetch = std::function<Result<FoundCredentials>(const std::stop_token&)>;

  /// `clock` outlives it, and tells when credentials expire; pauses are real time.
  CachedCredentials(Fetch fetch, RefreshOptions options, const Clock& clock);

  [[nodiscard]] Result<Credentials> get(const std::stop_token& stop) override;
  void refused(const Credentials& credentials) override;

 private:
  using Steady = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] bool is_valid() const;
  [[nodiscard]] bool is_due() const;
  /// Without the lock while it fetches.
  void fetch(Lock& lock, const std::stop_token& stop);
  void keep(FoundCredentials found);
  void note_failure(Error error);

  const Fetch fetch_;
  const RefreshOptions options_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any fetched_;
  std::optional<Credentials> current_;
  Timestamp refresh_at_ = Timestamp::max();
  bool refused_ = false;        ///< what is current
  std::optional<Error> fault_;  ///< of the last fetch
  std::string_view source_;     ///< as the log has it
  bool fetching_ = false;
  Backoff backoff_;
  Steady::time_point not_before_{};  ///< the next fetch
  Steady::time_point begun_{};       ///< the last one
};

}  // namespace pebbles::aws
