#pragma once
#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace pebbles::net {

enum class Method { get, put, post };

struct Header {
  std::string name;
  std::string value;
};

/// AWS Signature Version 4, made by libcurl. It signs every header of the request: with names that are the beginning of
/// each other, and with queries, its signature would be wrong.
struct AwsSignature {
  std::string region;
  std::string service;
  std::string access_key_id;
  std::string secret_access_key;
};

struct Request {
  Method method = Method::get;
  std::string url{};              ///< http or https
  std::vector<Header> headers{};  ///< without control characters; never with an empty value
  std::string_view body{};        ///< of PUT and POST; outlives the call
  std::optional<AwsSignature> signature{};
  bool proxied = true;  ///< heed `https_proxy` and `no_proxy` as libcurl does; false for what is on this host
  std::chrono::milliseconds connect_timeout{2000};
  std::chrono::milliseconds timeout{5000};  ///< for all of it
  std::size_t body_bytes_max = 1UL << 20U;  ///< of the answer
};

struct Response {
  int status = 0;
  std::vector<Header> headers{};
  std::string body{};

  /// The value of the first header of that name, in any case; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// There is no answer, or it is of no use.
struct NoAnswer {
  bool cancelled = false;  ///< because of the stop token
  std::string why{};
};

/// Asks others over HTTP, on connections that are kept for the next call. Follows no redirects, so that nobody but the
/// configured host decides where a request goes; checks TLS certificates against the system's.
/// Threads: one call at a time; a stop may be requested by any.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Blocks for at most the request's time-out. Ends within some 10 ms once `stop` is requested.
  [[nodiscard]] std::expected<Response, NoAnswer> perform(const Request& request, const std::stop_token& stop = {});

 private:
  struct Handles;
  const std::unique_ptr<Handles> handles_;
};

}  // namespace pebbles::net
