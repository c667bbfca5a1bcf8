#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "admission/client_krn.hpp"
#include "aws/credentials.hpp"
#include "base/clock.hpp"
#include "ingest/ingest.hpp"
#include "ingress/sqs/options.hpp"

namespace pebbles::sqs {

/// What the source uses. All that is referred to outlives it.
struct SqsParts {
  ingest::Ingest& ingest;
  const admission::ClientKrnRule& client_rule;
  const Clock& clock;
  std::shared_ptr<aws::CredentialsProvider> credentials;
};

/// Receives updates from a queue into the lanes, and deletes them behind the store (docs/sqs.md, docs/adr/0011). A
/// service, queue or right that is not there is waited for.
/// Threads: its own poll, delete, hide messages on, and send dead letters. Lifetime: `stop` it before the lanes, whose
/// outcomes come here until they have ended, and destroy it after them.
class SqsSource {
 public:
  [[nodiscard]] static std::unique_ptr<SqsSource> start(const SqsOptions& options, const SqsParts& parts);
  virtual ~SqsSource() = default;

  /// No more receives begin; what the open ones bring is still taken. Call it as early before `stop` as is known, so
  /// that `stop` need not wait for them. Threads: any.
  virtual void stop_receiving() = 0;
  /// Takes nothing more in, waits until what it holds is stored and deleted, and ends its threads. False when that took
  /// longer than `deadline`: what was not stored is given back to the queue, and what was not deleted comes again.
  virtual bool stop(std::chrono::milliseconds deadline) = 0;

  /// Why an operator has to look, if one has to: access is denied, there is no such queue, nothing answers, or a
  /// message has had no outcome for a minute. Threads: any.
  [[nodiscard]] virtual std::optional<std::string> trouble() const = 0;

  /// Its state as a JSON object: queue, depths, what is held, pollers. Threads: any.
  [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace pebbles::sqs
