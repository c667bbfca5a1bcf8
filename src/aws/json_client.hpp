#pragma once
#include <chrono>
#include <expected>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "aws/credentials.hpp"
#include "aws/fault.hpp"

namespace pebbles::net {
class HttpClient;
}

namespace pebbles::aws {

/// A service that speaks AWS JSON 1.0.
struct Service {
  std::string endpoint;       ///< http(s)://host[:port]
  std::string region;         ///< that signatures are made for
  std::string name;           ///< as signatures have it: "sqs"
  std::string target_prefix;  ///< of `X-Amz-Target`: "AmazonSQS"
};

/// Calls one service: POST, signed with Signature Version 4, over a connection that is kept.
/// Threads: one call at a time; a stop may be requested by any.
class JsonClient {
 public:
  JsonClient(Service service, std::shared_ptr<CredentialsProvider> credentials);
  ~JsonClient();
  JsonClient(const JsonClient&) = delete;
  JsonClient& operator=(const JsonClient&) = delete;

  /// The body of the answer to `action` (e.g. "ReceiveMessage") with the JSON object `body`. `timeout` is for all of
  /// the exchange, long polls included, but not for fetching credentials. Tried once: the caller has the back-off.
  /// Ends within some 10 ms once `stop` is requested.
  [[nodiscard]] std::expected<std::string, Fault> call(std::string_view action, std::string_view body,
                                                       std::chrono::milliseconds timeout,
                                                       const std::stop_token& stop = {});

 private:
  const Service service_;
  const std::shared_ptr<CredentialsProvider> credentials_;
  const std::unique_ptr<net::HttpClient> http_;
};

}  // namespace pebbles::aws
