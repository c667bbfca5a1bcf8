#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "app/config.hpp"

/// What the subcommands of `pebbles` do. Each returns the process's exit code and says on stderr why it is not 0.
namespace pebbles::app {

/// Serves until SIGTERM or SIGINT; then stops taking in, drains, and returns.
int serve(const Config& config);

struct TokenRequest {
  std::string email;
  std::string client;
  std::chrono::seconds ttl{3600};
};
/// Prints a development token.
int print_token(const Config& config, const TokenRequest& request);

struct ReplayRequest {
  std::string from;                  ///< RFC 3339; empty: from the beginning
  std::string to;                    ///< likewise; empty: to what is there now
  std::vector<std::string> reasons;  ///< empty: all
  bool dry_run = false;
};
/// Sends dead letters of Kafka back to where they came from, and prints how many there are for each reason.
int replay_dead_letters(const Config& config, const ReplayRequest& request);

int print_config(const Config& config);

/// Asks a server whether it is ready, at `url`, or empty: the one that this configuration starts on this host, as the
/// health checks of containers do. Exit code 1 when it is not, or does not answer.
int ask_health(const Config& config, const std::string& url);

struct VerifyRequest {
  std::string heads;        ///< a file of heads that were kept; empty: none
  std::string write_heads;  ///< a file to write them to; empty: none
};
/// Exit code 1 when a stream differs, or a head is not found in the log.
int verify(const Config& config, const VerifyRequest& request);

/// Exit code 1 when a stream could not be derived.
int rebuild(const Config& config);

enum class Pruning : std::uint8_t {
  as_configured,
  dry_run,  ///< only counted
  now,  ///< and what deleted files contained is erased without the hour of waiting, out of the file's free space too
};
/// Applies the configured retention once: deletes what is too old. Of the embedded store only while no server has it,
/// which does so itself.
int prune(const Config& config, Pruning how);

/// Copies the embedded store to a new file, beside a running server too.
int backup(const Config& config, const std::string& file);

}  // namespace pebbles::app
