#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/cors.hpp"
#include "http/request_parser.hpp"
#include "http/streamed_body.hpp"

namespace pebbles::http {

/// How long a client may take. Checked every `tick`, so each may last that much longer.
struct Deadlines {
  std::chrono::milliseconds idle{75'000};  ///< until the first byte of a request
  std::chrono::milliseconds head{10'000};  ///< from its first byte to the end of the head
  std::chrono::milliseconds body{20'000};  ///< a body must keep its least rate over each such time, until it is whole
  std::size_t bytes_per_second_min = 4UL << 10U;  ///< the least rate, of bodies and answers
  std::chrono::milliseconds write{15'000};        ///< an answer must be taken at the least rate, over each such time
  std::chrono::milliseconds stream{60'000};       ///< the same of one that is streamed: its readers stop now and then
  std::chrono::milliseconds linger{30'000};       ///< for what a refused client still sends, in all,
  std::chrono::milliseconds linger_idle{1'000};   ///< and below the least rate; in all when the server stops
  std::chrono::milliseconds tick{250};
};

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< an address or a name
  std::uint16_t port = 0;          ///< 0: any free one
  std::size_t threads = 1;
  std::size_t connections_max = 10'000;
  /// Long answers that wait for their readers, all together; beyond it the next one is a 503. What is under way may go
  /// over it by an answer a loop.
  std::size_t answers_bytes_max = 128UL << 20U;
  /// Heads of requests beyond their first 4 KiB, all together.
  std::size_t heads_bytes_max = 16UL << 20U;
  /// How much of a body that was refused is read, so that its sender gets to read the answer: the largest allowed body.
  std::size_t linger_bytes_max = 17UL << 20U;
  StreamBudget::Bounds streams;
  FramingLimits limits;
  Deadlines deadlines;
  CorsPolicy cors;
};

}  // namespace pebbles::http
