// Readings prints how Helm 3 and Helm 4 read values files. Standard input: for each file its size in bytes on a line, then its
// bytes. Standard output: for each file a line of JSON, [Helm 3's reading, Helm 4's]; null for a file that it refuses.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	values3 "helm.sh/helm/v3/pkg/cli/values"
	values4 "helm.sh/helm/v4/pkg/cli/values"
)

func main() {
	folder, err := os.MkdirTemp("", "readings")
	check(err)
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "values.yaml")
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		var size int
		if _, err := fmt.Fscanf(in, "%d\n", &size); err == io.EOF {
			return
		} else {
			check(err)
		}
		data := make([]byte, size)
		_, err := io.ReadFull(in, data)
		check(err)
		check(os.WriteFile(file, data, 0o600))
		var both [2]map[string]any
		if read, err := (&values3.Options{ValueFiles: []string{file}}).MergeValues(nil); err == nil {
			both[0] = read
		}
		if read, err := (&values4.Options{ValueFiles: []string{file}}).MergeValues(nil); err == nil {
			both[1] = read
		}
		line, err := json.Marshal(both)
		check(err)
		_, err = out.Write(append(line, '\n'))
		check(err)
		check(out.Flush())
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
