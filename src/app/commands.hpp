#pragma once
#include <chrono>
#include <string>

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

int print_config(const Config& config);

/// Exit code 1 when a stream differs.
int verify(const Config& config);

/// Exit code 1 when a stream could not be derived.
int rebuild(const Config& config);

}  // namespace pebbles::app
