#pragma once
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace pebbles::http::testing {

/// A blocking client that sends exactly the bytes it is told to.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void finish_sending() { ::shutdown(socket_, SHUT_WR); }

  /// Everything until the server closes; "TIMEOUT" is added if it doesn't.
  std::string read_to_end(std::chrono::milliseconds patience = std::chrono::milliseconds{8000}) {
    while (read_some(patience)) {
    }
    if (!closed_) received_ += "TIMEOUT";
    return std::move(received_);
  }

  /// One answer with its body, as Content-Length says; "" if it doesn't come.
  std::string read_answer(bool has_body = true, std::chrono::milliseconds patience = std::chrono::milliseconds{8000}) {
    for (;;) {
      const auto end = received_.find("\r\n\r\n");
      if (end != std::string::npos) {
        std::size_t size = end + 4;
        const auto length = received_.find("Content-Length: ");
        if (has_body && length < end) size += std::stoul(received_.substr(length + 16));
        if (received_.size() >= size) {
          auto out = received_.substr(0, size);
          received_.erase(0, size);
          return out;
        }
      }
      if (!read_some(patience)) return "";
    }
  }
  [[nodiscard]] bool read_some(std::chrono::milliseconds patience) {
    pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) return false;
    char bytes[65536];
    const auto count = ::recv(socket_, bytes, sizeof bytes, 0);
    if (count <= 0) {
      closed_ = true;
      was_reset_ = count < 0;
      return false;
    }
    received_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] bool was_reset() const { return was_reset_; }

 private:
  int socket_;
  bool connected_ = false;
  bool closed_ = false;
  bool was_reset_ = false;
  std::string received_;
};

/// The status of an answer, 0 when there is none.
inline int status_of(std::string_view answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(std::string{answer.substr(9, 3)}) : 0;
}

inline std::string body_of(const std::string& answer) {
  const auto end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

/// A whole answer, on a connection of its own; `headers` are lines.
inline std::string get_from(std::uint16_t port, const std::string& target, const std::string& headers = "") {
  Client client{port};
  client.send("GET " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + headers + "\r\n");
  return client.read_to_end();
}

}  // namespace pebbles::http::testing
