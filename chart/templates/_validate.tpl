{{/*
Rules across fields, which a JSON Schema cannot express. Each rule prints a line for each error, "<path>: <message>; <fix>",
and all of them are reported at once. `tfconfig validate` has the same rules with the same messages (tfconfig/checking/rules).
*/}}
{{- define "tensorflow-job.validate" -}}
{{- $errors := list -}}
{{- range $rule := list "names" "program" "strategy" "successPolicy" "size" "env" "references" "gpus" "checkpoint" "mounts"
      "podSpec" "labels" "gang" "group" "serviceAccount" "characters" -}}
{{-   range $line := include (printf "tensorflow-job.validate.%s" $rule) $ | splitList "\n" -}}
{{-     with trim $line -}}
{{-       $errors = append $errors (printf "  - %s" .) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- if $errors -}}
{{-   printf "\n\nThe values of this job have errors:\n%s\n" (join "\n" $errors) | fail -}}
{{- end -}}
{{- end -}}

{{/* StatefulSet names have room for 52 characters and "-evaluator" takes 10; a Service's name starts with a letter. */}}
{{- define "tensorflow-job.validate.names" -}}
{{- $name := include "tensorflow-job.fullname" . -}}
{{- $path := ternary "fullnameOverride" "release name" (not (empty .Values.fullnameOverride)) -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{ $path }}: {{ quote $name }} is not a valid Service name (lowercase letters, digits and "-", starting with a letter); set fullnameOverride, or choose another release name
{{- end }}
{{- if gt (len $name) 42 }}
{{ $path }}: {{ quote $name }} has {{ len $name }} characters, but the names of the job's objects allow 42; set fullnameOverride, or choose a shorter release name
{{- end }}
{{- end -}}

{{- define "tensorflow-job.validate.program" -}}
{{- $program := .Values.program -}}
{{- $files := include "tensorflow-job.programFiles" . | fromJson -}}
{{- $missing := true -}}
{{- $trains := false -}}
{{- range $role := include "tensorflow-job.roles" . | fromJsonArray -}}
{{-   $server := has $role (include "tensorflow-job.strategy" $ | fromJson).server -}}
{{-   if not $server -}}
{{-     $command := (include "tensorflow-job.program" (dict "root" $ "role" $role) | fromJson).command -}}
{{-     $missing = or (not $command) (and $missing $trains) -}}
{{-     $trains = true -}}
{{-   end -}}
{{-   if and $server (index $.Values $role).program }}
{{ $role }}.program: with strategy {{ $.Values.strategy }} the {{ $role }} tasks are servers, which run no program; remove it, or use strategy Custom
{{-   end -}}
{{- end -}}
{{- range $role := prepend (include "tensorflow-job.roles" . | fromJsonArray) "" -}}
{{-   if and (ternary $.Values (index $.Values $role | default dict) (eq $role "")).pythonFrom (ne $.Values.strategy "Custom") }}
{{ ternary "" (printf "%s." $role) (eq $role "") }}pythonFrom: LifecycleImage, but with strategy {{ $.Values.strategy }} the tasks need TensorFlow, and so the image's own Python; remove it, or use strategy Custom
{{-   end -}}
{{- end -}}
{{- if and $missing (not $program.command) }}
program.command: missing; set the training command, for example program.command: [python3, train.py]
{{- end }}
{{- if and $files $program.existingConfigMap }}
program.existingConfigMap: set together with program.files, but both are mounted at /app; keep one of them
{{- end }}
{{- $bytes := 0 -}}
{{- range $files -}}
{{-   $bytes = add $bytes (len .) -}}
{{- end -}}
{{- if gt (int64 $bytes) 921600 }}
program.files: {{ div $bytes 1024 }} KiB in total, but a release has room for 900; put the program into the image
{{- end }}
{{- end -}}

{{/* The roles that the strategy needs. */}}
{{- define "tensorflow-job.validate.strategy" -}}
{{- $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{- $chief := int $replicas.chief -}}
{{- $worker := int $replicas.worker -}}
{{- $ps := int $replicas.ps -}}
{{- $strategy := .Values.strategy -}}
{{- if and (has $strategy (list "ParameterServer" "InGraph")) (not $chief) }}
chief.replicas: 0, but with strategy {{ $strategy }} the chief runs the program; set chief.replicas: 1, or remove it
{{- end }}
{{- if and (eq $strategy "ParameterServer") (not $worker) }}
worker.replicas: 0, but with strategy ParameterServer the workers execute the training steps; set worker.replicas to at least 1
{{- end }}
{{- if and (has $strategy (list "ParameterServer" "BetweenGraph")) (not $ps) }}
ps.replicas: 0, but strategy {{ $strategy }} stores the variables on parameter servers; set ps.replicas to at least 1, or use strategy MultiWorkerMirrored
{{- end }}
{{- if and (eq $strategy "InGraph") (not $worker) (not $ps) }}
worker.replicas: 0 and no parameter servers, but with strategy InGraph they execute the chief's graph; set worker.replicas or ps.replicas to at least 1
{{- end }}
{{- if and (eq $strategy "MultiWorkerMirrored") $ps }}
ps.replicas: {{ $ps }}, but strategy MultiWorkerMirrored does not use parameter servers; set ps.replicas: 0, or use strategy ParameterServer
{{- end }}
{{- if and $ps (not $worker) (not $chief) (ne $strategy "MultiWorkerMirrored") }}
ps.replicas: {{ $ps }}, but there is no chief or worker to use the parameter servers; set worker.replicas or chief.replicas to at least 1, or ps.replicas to 0
{{- else if and (has $strategy (list "BetweenGraph" "MultiWorkerMirrored" "Custom")) (not $worker) (not $chief) }}
worker.replicas: 0 and no chief, so no task trains; set worker.replicas or chief.replicas to at least 1
{{- end }}
{{- end -}}

{{- define "tensorflow-job.validate.successPolicy" -}}
{{- $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{- $policy := .Values.completion.successPolicy -}}
{{- if and (eq (toString $policy) "Chief") (not $replicas.chief) }}
completion.successPolicy: Chief, but there is no chief; set chief.replicas: 1, or remove the policy
{{- end }}
{{- if has $policy (list "Worker0" "AllWorkers") }}
{{- if not $replicas.worker }}
completion.successPolicy: {{ $policy }}, but there is no worker; set worker.replicas to at least 1, or remove the policy
{{- else if not (has "worker" (include "tensorflow-job.strategy" . | fromJson).program) }}
completion.successPolicy: {{ $policy }}, but with strategy {{ .Values.strategy }} the workers are servers that never end; remove the policy, so that the chief decides
{{- end }}
{{- end }}
{{- end -}}

{{/* The longest TF_CONFIG of any task, in the form of files/task/job_spec.py: {"cluster":{"ps":["h:2222"]},"task":{…}}. */}}
{{- define "tensorflow-job.validate.size" -}}
{{- $name := len (include "tensorflow-job.fullname" .) -}}
{{- $replicas := include "tensorflow-job.replicas" . | fromJson -}}
{{- $cluster := list -}}
{{- $task := 0 -}}
{{- range $role := include "tensorflow-job.roles" . | fromJsonArray -}}
{{-   $count := int (index $replicas $role) -}}
{{-   $digits := 0 -}}{{/* of all indexes together */}}
{{-   range $power := list 0 10 100 1000 10000 -}}
{{-     $digits = add $digits (max 0 (sub $count $power)) -}}
{{-   end -}}
{{-   $address := add (len "\"--.:\",") (len (include "tensorflow-job.port" "tensorflow")) (len $role) $name $name -}}
{{-   $cluster = append $cluster (add (mul $count $address) $digits (len "\"\":[],") (len $role) -1) -}}
{{-   $task = max $task (add (len $role) (len (toString (sub $count 1)))) -}}
{{- end -}}
{{- $bytes := add (len "{\"cluster\":{},\"task\":{\"index\":,\"type\":\"\"}}") $task -1 -}}
{{- range $cluster -}}
{{-   $bytes = add $bytes . -}}
{{- end -}}
{{- if gt (int64 $bytes) 131061 }}
worker.replicas: the addresses of all tasks make a TF_CONFIG of {{ $bytes }} bytes, but Linux allows 131061; set fewer replicas, or a shorter fullnameOverride
{{- end }}
{{- end -}}

{{- define "tensorflow-job.validate.env" -}}
{{- $made := list "TF_CONFIG" "TASK_TYPE" "TASK_INDEX" "TASK_PROGRESS_FILE" "PS_HOSTS" "WORKER_HOSTS" "CHECKPOINT_DIR" -}}
{{- range $where := prepend (include "tensorflow-job.roleNames" . | fromJsonArray) "" -}}
{{-   $values := ternary $.Values (index $.Values $where | default dict) (eq $where "") -}}
{{-   range $name, $value := $values.env -}}
{{-     if and (has $name $made) (not (kindIs "invalid" $value)) }}
{{ with $where }}{{ . }}.{{ end }}env.{{ $name }}: set by the chart for every task; remove it, or rename the program's variable
{{-     end }}
{{-   end -}}
{{- end -}}
{{- $seen := dict -}}
{{- range $volume, $data := include "tensorflow-job.data" . | fromJson -}}
{{-   with $data.env -}}
{{-     if has . $made }}
data.{{ $volume }}.env: {{ . }} is set by the chart for every task; choose another name
{{-     else if hasKey $.Values.env . }}
data.{{ $volume }}.env: {{ . }} is also in env; remove one of them
{{-     else if hasKey $seen . }}
data.{{ $volume }}.env: {{ . }} is also the variable of data.{{ index $seen . }}; choose another name
{{-     end }}
{{-     $_ := set $seen . $volume -}}
{{-   end -}}
{{- end -}}
{{- end -}}

{{/* Texts of env that refer to each other in a circle, as circular() in files/task/references.py finds them. */}}
{{- define "tensorflow-job.validate.references" -}}
{{- $lines := list -}}
{{- range $role := include "tensorflow-job.roles" . | fromJsonArray -}}
{{-   $settings := include "tensorflow-job.settings" (dict "root" $ "role" $role) | fromJson -}}
{{-   $left := dict -}}{{/* name -> the others that it refers to */}}
{{-   range $name, $text := include "tensorflow-job.deferredEnv" (dict "settings" $settings) | fromJson -}}
{{-     $others := list -}}
{{-     range $reference := regexFindAll "\\$\\([^)]*\\)" (regexReplaceAllLiteral "\\$\\$" $text " ") -1 -}}
{{-       $others = append $others ($reference | trimPrefix "$(" | trimSuffix ")") -}}
{{-     end -}}
{{-     $_ := set $left $name (without $others $name) -}}
{{-   end -}}
{{-   range $round := until (len $left) -}}
{{-     $kept := dict -}}
{{-     range $name, $others := $left -}}
{{-       $to := false -}}
{{-       $from := false -}}
{{-       range $other, $theirs := $left -}}
{{-         $to = or $to (has $other $others) -}}
{{-         $from = or $from (has $name $theirs) -}}
{{-       end -}}
{{-       if and $to $from -}}
{{-         $_ := set $kept $name $others -}}
{{-       end -}}
{{-     end -}}
{{-     $left = $kept -}}
{{-   end -}}
{{-   if $left -}}
{{-     $names := keys $left | sortAlpha -}}
{{-     $own := hasKey ((index $.Values $role | default dict).env | default dict) (first $names) -}}
{{-     $lines = append $lines (printf "%senv.%s: %s refer to each other in a circle; write one of them without $(…)"
          (ternary (printf "%s." $role) "" $own) (first $names) (join ", " $names)) -}}
{{-   end -}}
{{- end }}
{{ $lines | uniq | join "\n" }}
{{- end -}}

{{/* Whole GPUs are asked for by `gpus`; a second number in `resources` would contradict it. */}}
{{- define "tensorflow-job.validate.gpus" -}}
{{- range $role := include "tensorflow-job.roles" . | fromJsonArray -}}
{{-   $settings := include "tensorflow-job.settings" (dict "root" $ "role" $role) | fromJson -}}
{{-   $gpus := int $settings.gpus -}}
{{-   range $kind := list "limits" "requests" -}}
{{-     range $name, $amount := index ($settings.resources | default dict) $kind -}}
{{-       if eq $name $settings.gpuResource -}}
{{-         if ne (toString $amount) (toString $gpus) }}
{{ $role }}.gpus: {{ $gpus }}, but its resources.{{ $kind }} have {{ $name }}: {{ $amount }}; set only {{ $role }}.gpus
{{-         end -}}
{{-       else if and (not $gpus) (regexMatch "^nvidia\\.com/|/gpu$" $name) }}
{{ $role }}.gpus: 0, but its resources.{{ $kind }} have {{ $name }}: {{ $amount }}; set gpuResource: {{ $name }} and {{ $role }}.gpus: {{ $amount }} instead
{{-       end }}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- end -}}

{{- define "tensorflow-job.validate.checkpoint" -}}
{{- if and .Values.logs.persist (not .Values.checkpoint.enabled) }}
logs.persist: true, but checkpoint.enabled is false, so there is no volume for the logs; set checkpoint.enabled: true, or logs.persist: false
{{- end }}
{{- if and .Values.tensorboard.enabled (not .Values.checkpoint.enabled) }}
tensorboard.enabled: true, but checkpoint.enabled is false, so there is nothing to show; set checkpoint.enabled: true, or tensorboard.enabled: false
{{- end }}
{{- if and .Values.tensorboard.enabled .Values.tensorboard.ingress.enabled (not .Values.tensorboard.ingress.host) }}
tensorboard.ingress.host: missing, so the Ingress would match every host; set the host name of TensorBoard
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{-   if and .Values.tensorboard.enabled .Values.tensorboard.ingress.enabled (not .Values.tensorboard.from) }}
tensorboard.from: missing, so the network policy keeps the ingress controller out; set its pods: [{namespaceSelector: …}]
{{-   end }}
{{-   if and .Values.metrics.enabled .Values.metrics.podMonitor.enabled (not .Values.metrics.from) }}
metrics.from: missing, so the network policy keeps Prometheus out; set its pods: [{namespaceSelector: …}]
{{-   end }}
{{- end }}
{{- end -}}

{{/* Volumes and containers of one pod: names and mount paths occur once. */}}
{{- define "tensorflow-job.validate.mounts" -}}
{{- range $name, $data := include "tensorflow-job.data" . | fromJson -}}
{{-   if and $data.existingClaim $data.volume }}
data.{{ $name }}: has both existingClaim and volume; keep one of them
{{-   else if not (or $data.existingClaim $data.volume) }}
data.{{ $name }}: has neither existingClaim nor volume; set existingClaim, or a Kubernetes volume source such as volume: {nfs: {server: …, path: …}}
{{-   end }}
{{- end -}}
{{- $lines := list -}}
{{- range $role := include "tensorflow-job.roles" . | fromJsonArray -}}
{{-   $settings := include "tensorflow-job.settings" (dict "root" $ "role" $role) | fromJson -}}
{{-   $arguments := dict "root" $ "role" $role "settings" $settings -}}
{{-   $paths := dict -}}
{{-   $adds := dict -}}{{/* path -> the value that mounts there */}}
{{-   $mounts := include "tensorflow-job.volumeMounts" $arguments | fromYamlArray -}}
{{-   range $i, $mount := concat $mounts ($settings.container.volumeMounts | default list) -}}
{{-     if and (kindIs "map" $mount) (kindIs "string" $mount.mountPath) (kindIs "string" $mount.name) -}}
{{-       $path := trimSuffix "/" $mount.mountPath -}}
{{-       if hasKey $paths $path -}}
{{-         $lines = append $lines (printf "mountPath: %s is used by two volumes, %s and %s; change the path of one of them" $path
              (index $paths $path) $mount.name) -}}
{{-       end -}}
{{-       $_ := set $paths $path $mount.name -}}
{{-       $_ := set $adds $path (ternary "extraVolumeMounts" "container.volumeMounts" (lt $i (len $mounts))) -}}
{{-     end -}}
{{-   end -}}
{{-   $volumes := dict -}}
{{-   $chartVolumes := include "tensorflow-job.volumes" $arguments | fromYamlArray -}}
{{-   range $i, $volume := concat $chartVolumes ($settings.podSpec.volumes | default list) -}}
{{-     if hasKey $volumes $volume.name -}}
{{-       $lines = append $lines (printf "%s: two volumes are named %s; rename yours"
            (ternary "extraVolumes" "podSpec.volumes" (lt $i (len $chartVolumes))) $volume.name) -}}
{{-     end -}}
{{-     $_ := set $volumes $volume.name true -}}
{{-   end -}}
{{-   range $path, $volume := $paths -}}
{{-     if not (hasKey $volumes $volume) -}}
{{-       $lines = append $lines (printf "%s: there is no volume %s to mount at %s; add it to extraVolumes" (index $adds $path)
            $volume $path) -}}
{{-     end -}}
{{-   end -}}
{{-   $lists := dict "initContainers" $settings.initContainers "extraContainers" $settings.extraContainers -}}
{{-   $_ := set $lists "podSpec.initContainers" $settings.podSpec.initContainers -}}
{{-   range $label, $containers := $lists -}}
{{-     range $container := $containers | default list -}}
{{-       if and (kindIs "map" $container) (eq (toString $container.name) "tensorflow") -}}
{{-         $lines = append $lines (printf "%s: \"tensorflow\" is the name of the training container; rename yours" $label) -}}
{{-       else if and (kindIs "map" $container) (has (toString $container.name) (list "checkpoint-folder" "lifecycle-python")) -}}
{{-         $lines = append $lines (printf "%s: %q is the name of a container of the chart; rename yours" $label $container.name) -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{- end }}
{{ $lines | uniq | join "\n" }}
{{- end -}}

{{/* What podSpec and container must leave alone, and tokens for the API in any volume. */}}
{{- define "tensorflow-job.validate.podSpec" -}}
{{- $own := include "tensorflow-job.ownFields" . | fromYaml -}}
{{- $lines := list -}}
{{- range $where := prepend (include "tensorflow-job.roleNames" . | fromJsonArray) "" -}}
{{-   $values := ternary $.Values (index $.Values $where | default dict) (eq $where "") -}}
{{-   $prefix := ternary "" (printf "%s." $where) (eq $where "") -}}
{{-   range $part, $fields := $own -}}
{{-     range $field, $value := index $values $part -}}
{{-       if and (hasKey $fields $field) (not (kindIs "invalid" $value)) -}}
{{-         $lines = append $lines (printf "%s%s.%s: not supported; %s" $prefix $part $field (index $fields $field)) -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- range $role := include "tensorflow-job.roles" . | fromJsonArray -}}
{{-   $settings := include "tensorflow-job.settings" (dict "root" $ "role" $role) | fromJson -}}
{{-   $volumes := include "tensorflow-job.userVolumes" $settings | fromJsonArray -}}
{{-   range $name, $data := include "tensorflow-job.data" $ | fromJson -}}
{{-     $volumes = append $volumes (merge (dict "name" (printf "data-%s" $name)) ($data.volume | default dict)) -}}
{{-   end -}}
{{-   range $volume := $volumes -}}
{{-     $projected := ternary $volume.projected dict (kindIs "map" $volume.projected) -}}
{{-     range $source := ternary $projected.sources list (kindIs "slice" $projected.sources) -}}
{{-       if and (kindIs "map" $source) (kindIs "map" $source.serviceAccountToken) -}}
{{-         if regexMatch "^$|^(https://)?kubernetes\\.default|^api$" (toString ($source.serviceAccountToken.audience | default "")) -}}
{{-           $lines = append $lines (printf "volume %s: a serviceAccountToken for the Kubernetes API, which training pods never get; name the audience of the service that it is for, or remove it" $volume.name) -}}
{{-         end -}}
{{-       end -}}
{{-     end -}}
{{-   end -}}
{{- end }}
{{ $lines | uniq | join "\n" }}
{{- end -}}

{{/* Labels by which the chart selects its pods. */}}
{{- define "tensorflow-job.validate.labels" -}}
{{- $lines := list -}}
{{- range $where := concat (list "") (include "tensorflow-job.roleNames" . | fromJsonArray) (list "lifecycle") -}}
{{-   $values := ternary $.Values (index $.Values $where | default dict) (eq $where "") -}}
{{-   range $name, $value := $values.podLabels -}}
{{-     if regexMatch "^(tensorflow-job/.*|app\\.kubernetes\\.io/(name|instance|component))$" $name -}}
{{-       $path := ternary "podLabels" (printf "%s.podLabels" $where) (eq $where "") -}}
{{-       $lines = append $lines (printf "%s: %s is set by the chart to select its pods; remove it" $path $name) -}}
{{-     end -}}
{{-   end -}}
{{- end -}}
{{- range $name, $value := .Values.lifecycle.labels -}}
{{-   if regexMatch "^(tensorflow-job/.*|app\\.kubernetes\\.io/(name|instance|component))$" $name -}}
{{-     $lines = append $lines (printf "lifecycle.labels: %s is set by the chart to select its pods; remove it" $name) -}}
{{-   end -}}
{{- end }}
{{ join "\n" $lines }}
{{- end -}}

{{- define "tensorflow-job.validate.serviceAccount" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) }}
serviceAccount.name: missing, but serviceAccount.create is false; set the name of an account with the permissions that `tfconfig role` prints, or set create: true
{{- end }}
{{- end -}}

{{/* Characters that toYaml cannot write: it returns nothing at all. */}}
{{- define "tensorflow-job.unprintable" -}}
[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{feff}\x{fffe}\x{ffff}]
{{- end -}}

{{/* The files of the program may have such characters: they are encoded in another way. */}}
{{- define "tensorflow-job.validate.characters" -}}
{{- range $key, $value := omit .Values "program" "global" -}}
{{-   if regexMatch (include "tensorflow-job.unprintable" $) (toJson $value) }}
{{ $key }}: contains a control character or a byte order mark, which Helm cannot write as YAML; remove it
{{-   end }}
{{- end -}}
{{- end -}}
