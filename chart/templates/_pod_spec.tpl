{{/* podSpec and container: what the user adds to the training pod and its container. */}}

{{/* Fields that the chart's promises need, and what to do instead. tfconfig/checking/rules/pod_spec.py has the same. */}}
{{- define "tensorflow-job.ownFields" -}}
podSpec:
  activeDeadlineSeconds: set deadlines.activeSeconds
  automountServiceAccountToken: "remove it: training pods get no token for the Kubernetes API"
  containers: set container for the training container, and extraContainers for others
  enableServiceLinks: remove it
  ephemeralContainers: set extraContainers
  hostIPC: remove it
  hostNetwork: remove it
  hostPID: remove it
  hostname: remove it
  hostnameOverride: remove it
  restartPolicy: set restart.policy
  setHostnameAsFQDN: remove it
  shareProcessNamespace: remove it
  subdomain: remove it
  terminationGracePeriodSeconds: set the value of that name
container:
  args: set program.args
  command: set program.command, or python
  env: set the value of that name
  envFrom: set the value of that name
  image: set the value of that name
  name: remove it
  resources: set the value of that name
  restartPolicy: set restart.policy
  restartPolicyRules: set restart.policy
  terminationMessagePath: remove it
  terminationMessagePolicy: remove it
  workingDir: set program.workingDir
{{- end -}}

{{/*
A map with another one over it: maps are merged, lists appended, anything else replaced, and null is as good as absent. Takes
(dict "base" map "over" map). Read with fromJson.
*/}}
{{- define "tensorflow-job.overlay" -}}
{{- $result := deepCopy (.base | default dict) -}}
{{- range $key, $value := .over -}}
{{-   $before := index $result $key -}}
{{-   if and (kindIs "map" $value) (kindIs "map" $before) -}}
{{-     $_ := set $result $key (include "tensorflow-job.overlay" (dict "base" $before "over" $value) | fromJson) -}}
{{-   else if and (kindIs "slice" $value) (kindIs "slice" $before) -}}
{{-     $_ := set $result $key (concat $before $value) -}}
{{-   else if not (kindIs "invalid" $value) -}}
{{-     $_ := set $result $key $value -}}
{{-   end -}}
{{- end -}}
{{- toJson $result -}}
{{- end -}}

{{/* The volumes of a role that the user adds. Takes the settings. Read with fromJsonArray. */}}
{{- define "tensorflow-job.userVolumes" -}}
{{- concat (.extraVolumes | default list) ((.podSpec | default dict).volumes | default list) | toJson -}}
{{- end -}}
