#include "app/process_signals.hpp"

#include <pthread.h>

#include <csignal>

#include "telemetry/telemetry.hpp"

namespace pebbles::app {
namespace {

/// Whether the process was started to outlive its terminal, as by nohup.
bool ignores_hangup() {
  struct sigaction now{};
  return ::sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

/// All that the process is told by signals.
sigset_t awaited_signals() {
  sigset_t out;
  sigemptyset(&out);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) sigaddset(&out, signal);
  if (!ignores_hangup()) sigaddset(&out, SIGHUP);  // else to wait for it would be to heed it
  return out;
}

}  // namespace

void block_signals() {
  const auto signals = awaited_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

std::string_view wait_for_end() {
  const auto signals = awaited_signals();
  for (;;) {
    int signal = 0;
    sigwait(&signals, &signal);
    switch (signal) {
      case SIGUSR1: telemetry::change_level(telemetry::Verbosity::more); break;
      case SIGUSR2: telemetry::change_level(telemetry::Verbosity::less); break;
      case SIGTERM: return "SIGTERM";
      case SIGHUP: return "SIGHUP";
      default: return "SIGINT";
    }
  }
}

}  // namespace pebbles::app
