// Program page serves one page: the text in PAGE. The tests put it into images that differ in nothing else.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(response, os.Getenv("PAGE"))
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
