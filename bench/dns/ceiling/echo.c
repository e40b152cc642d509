// echo answers every packet with itself, its QR bit set: what batches of 32 cost when nothing is done with them.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { batch = 32, size = 1232 };

int main(int argc, char **argv) {
	if (argc != 2) return 2;
	struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(fd, (struct sockaddr *)&self, sizeof self)) {
		perror("bind");
		return 1;
	}
	static struct mmsghdr messages[batch];
	static struct iovec vectors[batch];
	static struct sockaddr_in from[batch];
	static unsigned char packets[batch][size];
	for (;;) {
		for (int i = 0; i < batch; i++) {
			vectors[i] = (struct iovec){packets[i], size};
			messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &vectors[i], .msg_iovlen = 1};
		}
		int n = recvmmsg(fd, messages, batch, MSG_WAITFORONE, NULL);
		if (n < 0) continue;
		for (int i = 0; i < n; i++) {
			vectors[i].iov_len = messages[i].msg_len;
			packets[i][2] |= 0x80;
		}
		for (int done = 0; done < n;) {
			int sent = sendmmsg(fd, messages + done, n - done, 0);
			done += sent > 0 ? sent : 1;
		}
	}
}
