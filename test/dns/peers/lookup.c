/* Asks the resolver of the C library that it is linked with: a line for each argument, the name and what it found.
 * An argument that begins with "=" is an address, and its name is looked for. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void forward(const char *name) {
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *one;
	char text[INET6_ADDRSTRLEN];
	int error = getaddrinfo(name, NULL, &hints, &all);
	printf("%s", name);
	if (error != 0) {
		printf(" !%s\n", error == EAI_NONAME ? "none" : gai_strerror(error));
		return;
	}
	for (one = all; one != NULL; one = one->ai_next) {
		void *address = one->ai_family == AF_INET
			? (void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
			: (void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
		printf(" %s", inet_ntop(one->ai_family, address, text, sizeof text));
	}
	printf("\n");
	freeaddrinfo(all);
}

static void reverse(const char *address) {
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	char name[NI_MAXHOST];
	int error;
	if (inet_pton(AF_INET, address, &four.sin_addr) == 1) {
		error = getnameinfo((struct sockaddr *)&four, sizeof four, name, sizeof name, NULL, 0, NI_NAMEREQD);
	} else {
		inet_pton(AF_INET6, address, &six.sin6_addr);
		error = getnameinfo((struct sockaddr *)&six, sizeof six, name, sizeof name, NULL, 0, NI_NAMEREQD);
	}
	printf("=%s %s%s\n", address, error == 0 ? "" : "!", error == 0 ? name : gai_strerror(error));
}

int main(int count, char **arguments) {
	for (int at = 1; at < count; at++) {
		if (arguments[at][0] == '=') {
			reverse(arguments[at] + 1);
		} else {
			forward(arguments[at]);
		}
	}
	return 0;
}
